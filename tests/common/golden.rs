//! Files that `tests/golden/make.py` wrote with PyTorch.

use alexnet::random::hash;
use safetensors::SafeTensors;

/// Values of each gradient that a golden file keeps.
pub const SAMPLES: u32 = 64;

/// A golden file.
pub struct Golden {
    name: String,
    bytes: Vec<u8>,
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}; tests/golden/make.py writes it"));
        Self { name: name.to_owned(), bytes }
    }

    /// A tensor of f64.
    pub fn get(&self, key: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let tensor = file.tensor(key).unwrap_or_else(|e| panic!("{}: {key}: {e}", self.name));
        assert_eq!(tensor.dtype(), safetensors::Dtype::F64, "{}: {key}", self.name);
        tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn scalar(&self, key: &str) -> f64 {
        self.get(key)[0]
    }

    /// Compares a gradient with what the file keeps of it under `key`: its L2 norm, its sum and [`SAMPLES`] values,
    /// each within `tolerance` of the norm's share.
    pub fn check_gradient(&self, key: &str, gradient: &[f64], tolerance: f64) {
        let norm = self.scalar(&format!("{key}.norm"));
        let root = (gradient.len() as f64).sqrt();
        let own = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(norm > 0.0, "{key}: a gradient of zero checks nothing");
        near(&format!("{key}.norm"), own, norm, tolerance * norm);
        let sum = self.scalar(&format!("{key}.sum"));
        near(&format!("{key}.sum"), gradient.iter().sum(), sum, tolerance * norm * root);
        for (k, expected) in (0..).zip(self.get(&format!("{key}.samples"))) {
            let place = sample(k, gradient.len());
            near(&format!("{key}[{place}]"), gradient[place], expected, tolerance * (norm / root + expected.abs()));
        }
    }
}

/// Place of sample `k` in a tensor of `len` values.
fn sample(k: u32, len: usize) -> usize {
    hash(&[k]) as usize % len
}

/// `got` within `slack` of `expected`.
pub fn near(what: &str, got: f64, expected: f64, slack: f64) {
    assert!((got - expected).abs() <= slack, "{what}: {got:e} instead of {expected:e}, slack {slack:e}");
}
