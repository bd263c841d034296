// s^-BETA. Square roots are exact to the last bits where `pow` of a software adapter is not.

fn power(s: vec4<f32>) -> vec4<f32> {
    if BETA == 0.75 {
        let root = sqrt(s);
        return 1.0 / (root * sqrt(root));
    }
    return pow(s, vec4(-BETA));
}
