//! temporary
use ::alexnet::{alexnet as tables, *};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let table = tables::table(&a[1]).unwrap();
    let batch: usize = a[2].parse().unwrap();
    let devices = gpu::select(Some(&a[3]), table.columns).unwrap();
    let net = net::Net::resolve(table, if table.name == "tiny" {10} else {1000}, 0.5).unwrap();
    let profiles: Vec<_> = devices.iter().map(|d| &d.profile).collect();
    print!("{}", plan::describe(&net, batch, 1, &profiles, &devices.iter().map(|d| d.describe()).collect::<Vec<_>>()).unwrap());
    let t = std::time::Instant::now();
    let mut m = machine::Machine::new(&net, &devices, machine::Settings{ batch, accumulate: 1, figures: recipe::Figures::Source, momentum: 0.9, decay: 0.0005, seed: 0 }).unwrap();
    println!("built {:?}", t.elapsed());
    let w: Vec<Vec<f32>> = net.tensors().iter().enumerate().map(|(i, t)| { 
        let s = match recipe::init(&net, recipe::Figures::Source, t) { recipe::Init::Normal(s) => s * 1.7, recipe::Init::Constant(_) => 0.0 };
        (0..t.len()).map(|j| s * (random::hash(&[i as u32, j as u32]) as f32 / 2147483648.0 - 1.0)).collect() }).collect();
    m.set_weights(&w).unwrap();
    let b = data::Batch { side: table.crop, pixels: (0..batch*3*table.crop*table.crop).map(|i| (random::hash(&[77, i as u32]) % 256) as f32 - 128.0).collect(), labels: (0..batch as u32).map(|i| i % 10).collect() };
    for s in 1..=a[4].parse().unwrap() {
        let t = std::time::Instant::now();
        let o = m.step(&b, s, 0.001).unwrap();
        println!("step {s} {:?} {:.1} img/s {o:?}", t.elapsed(), batch as f64 / t.elapsed().as_secs_f64());
    }
    let mut by: std::collections::BTreeMap<(String, &str), (f64, usize)> = Default::default();
    for c in m.columns() { for (p, prog) in c.programs() { for t in prog.time(&c.device).unwrap() { let (n, s) = (t.name, t.seconds); let e = by.entry((p.to_owned(), n)).or_default(); e.0 += s; e.1 += 1; if std::env::var("V").is_ok() && s > 0.01 { println!("{p} {n} {:.1} ms", s*1e3) } } } }
    let mut v: Vec<_> = by.into_iter().collect(); v.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    for (k, (s, n)) in v.iter().take(25) { println!("{:>8.1} ms {n:>3}  {} {}", s * 1e3, k.0, k.1); }
}
