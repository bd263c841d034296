//! Shaders: their texts, the constants put in front of them, and what they bind.
//!
//! A kernel's text has no conditionals and no macros. Shapes and tiles are `const` lines in front of it, and
//! `#import NAME` appends `shaders/shared/NAME.wgsl` once (order does not matter in WGSL). Bindings are declared once,
//! in WGSL, and read back by reflection.

use super::Device;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

macro_rules! shaders {
    ($($name:literal)*) => {
        /// Name and text of every file under `shaders/`.
        pub const SHADERS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*];
    };
}

shaders! {
    "image/arrange" "image/views"
    "conv/forward" "conv/backward_data" "conv/backward_weight" "conv/backward_bias" "conv/sum_slices"
    "lanes/forward" "lanes/forward_few" "lanes/backward_data" "lanes/backward_weight" "lanes/pack_rows" "lanes/pack_weight" "lanes/unpack_weight"
    "lanes/transpose" "lanes/product" "lanes/product_weight"
    "wide/forward" "wide/backward_data" "wide/backward_weight"
    "winograd/input" "winograd/output" "winograd/weight" "winograd/output_adjoint" "winograd/weight_adjoint" "winograd/transpose"
    "relu/forward" "relu/backward" "relu/backward_bias"
    "tanh/forward" "tanh/backward"
    "lrn/forward" "lrn/backward" "lrn_space/forward" "lrn_space/ratio" "lrn_space/backward"
    "pool/forward" "pool/backward" "average/forward" "average/backward"
    "local/forward" "local/backward_data" "local/backward_weight"
    "dropout/apply"
    "loss/forward" "loss/sum" "loss/backward"
    "optimizer/overflow" "optimizer/sgd"
    "bench/fma" "bench/fma_unrolled" "bench/copy"
    "exchange/add" "similar/distances" "codes/binarize" "codes/binarize_backward" "codes/residual" "codes/adam"
    "shared/descent" "shared/each" "shared/gemm" "shared/inner" "shared/lanes" "shared/map_sum" "shared/nan"
    "shared/packed" "shared/packed_64" "shared/places" "shared/power" "shared/random" "shared/reach" "shared/relu"
    "shared/scalars" "shared/step" "shared/sum" "shared/vec4s" "shared/walk" "shared/wide"
}

/// A constant put in front of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    /// `u32`
    U(usize),
    /// `f32`
    F(f32),
    /// No constant: imports `shaders/shared/NAME.wgsl`, where several files define the same function.
    Import(&'static str),
    /// `alias NAME = f16`, or f32: the type of operands.
    Half(bool),
    /// `fn NAME(place: Place)`: M X Mᵀ for a fixed matrix M, where the kernel says what a `Place` is and supplies
    /// `load(place, row, column)` for X and `store(place, row, column, value)` for the result. Written out: drivers
    /// neither fold an array of constants into the code nor unroll loops as long as these.
    Transform {
        /// Columns of M.
        columns: usize,
        /// M, a row after the other.
        values: Vec<f32>,
    },
}

impl From<usize> for Const {
    fn from(value: usize) -> Self {
        Self::U(value)
    }
}

impl From<u32> for Const {
    fn from(value: u32) -> Self {
        Self::U(value as usize)
    }
}

impl From<f32> for Const {
    fn from(value: f32) -> Self {
        Self::F(value)
    }
}

fn source(name: &str) -> &'static str {
    let found = SHADERS.iter().find(|(n, _)| *n == name);
    found.unwrap_or_else(|| panic!("no shader named {name}")).1
}

/// The function of [`Const::Transform`]: M times every column of X, then M times every row of that.
fn write_transform(text: &mut String, name: &str, columns: usize, values: &[f32]) -> std::fmt::Result {
    let rows = values.len() / columns;
    let arguments: Vec<_> = (0..columns).map(|c| format!("x{c}: vec4<f32>")).collect();
    writeln!(text, "fn {name}_line({}) -> array<vec4<f32>, {rows}> {{", arguments.join(", "))?;
    write_product(text, &values.chunks(columns).collect::<Vec<_>>())?;
    writeln!(text, "}}\nfn {name}(place: Place) {{")?;
    for c in 0..columns {
        let loads: Vec<_> = (0..columns).map(|r| format!("load(place, {r}u, {c}u)")).collect();
        writeln!(text, "    let half_{c} = {name}_line({});", loads.join(", "))?;
    }
    for r in 0..rows {
        let row: Vec<_> = (0..columns).map(|c| format!("half_{c}[{r}]")).collect();
        writeln!(text, "    let row_{r} = {name}_line({});", row.join(", "))?;
        for c in 0..rows {
            writeln!(text, "    store(place, {r}u, {c}u, row_{r}[{c}]);")?;
        }
    }
    writeln!(text, "}}")
}

/// M x, line by line. Two rows whose even columns are equal and whose odd ones are opposite share both sums, as
/// evaluations at points ±p do.
fn write_product(text: &mut String, rows: &[&[f32]]) -> std::fmt::Result {
    let term = |(column, value): (usize, &f32)| match *value {
        1.0 => format!("x{column}"),
        value => format!("{value:?} * x{column}"),
    };
    let sum = |row: &[f32], wanted: fn(usize) -> bool| {
        let terms: Vec<_> = row.iter().enumerate().filter(|(c, v)| **v != 0.0 && wanted(*c)).map(term).collect();
        if terms.is_empty() { "vec4(0.0)".to_owned() } else { terms.join(" + ") }
    };
    let even = |column: usize| column.is_multiple_of(2);
    let mirrored = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).enumerate().all(|(column, (a, b))| if even(column) { a == b } else { *a == -b })
    };
    let mut results = Vec::with_capacity(rows.len());
    while let Some(row) = rows.get(results.len()) {
        let r = results.len();
        if rows.get(r + 1).is_some_and(|next| mirrored(row, next)) {
            writeln!(text, "    let even_{r} = {};", sum(row, |c| c.is_multiple_of(2)))?;
            writeln!(text, "    let odd_{r} = {};", sum(row, |c| !c.is_multiple_of(2)))?;
            results.extend([format!("even_{r} + odd_{r}"), format!("even_{r} - odd_{r}")]);
        } else {
            results.push(sum(row, |_| true));
        }
    }
    writeln!(text, "    return array<vec4<f32>, {}>({});", rows.len(), results.join(", "))
}

/// How buffers hold vec4s: the file that `#import packed` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As four f32s: `shaders/shared/packed.wgsl`.
    Floats,
    /// As two 64-bit integers of the same bytes: `shaders/shared/packed_64.wgsl`.
    Integers,
}

impl Packing {
    fn file(self) -> &'static str {
        match self {
            Self::Floats => "packed",
            Self::Integers => "packed_64",
        }
    }
}

/// WGSL of kernel `name`: constants, the kernel, and every file it imports.
///
/// # Panics
/// On a name that is not in [`SHADERS`].
pub fn assemble(name: &str, consts: &[(&str, Const)], packing: Packing) -> String {
    let mut text = String::new();
    // A directive comes before everything else.
    if consts.iter().any(|(_, value)| *value == Const::Half(true)) {
        text.push_str("enable f16;\n");
    }
    for (name, value) in consts {
        match value {
            Const::U(v) => writeln!(text, "const {name} = {v}u;"),
            Const::F(v) => writeln!(text, "const {name} = f32({v:?});"),
            Const::Import(_) => Ok(()),
            Const::Half(half) => writeln!(text, "alias {name} = {};", if *half { "f16" } else { "f32" }),
            Const::Transform { columns, values } => write_transform(&mut text, name, *columns, values),
        }
        .expect("writing to a string");
    }
    let chosen =
        |(_, value): &(_, Const)| if let Const::Import(file) = value { Some(format!("shared/{file}")) } else { None };
    let mut seen: Vec<_> = std::iter::once(name.to_owned()).chain(consts.iter().filter_map(chosen)).collect();
    let mut next = 0;
    while next < seen.len() {
        for line in source(&seen[next]).lines() {
            if let Some(import) = line.strip_prefix("#import ") {
                let file = if import == "packed" { packing.file() } else { import };
                let shared = format!("shared/{file}");
                if !seen.contains(&shared) {
                    seen.push(shared);
                }
            } else {
                text.push_str(line);
                text.push('\n');
            }
        }
        next += 1;
    }
    text
}

/// A variable the kernel's entry point binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the variable in WGSL.
    pub name: String,
    /// Its `@binding`; the group is always 0.
    pub slot: u32,
}

/// The bindings of a shader's module.
///
/// # Errors
/// naga's message where the text does not parse.
pub fn reflect(text: &str) -> Result<Vec<Binding>, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    let mut bindings: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, v)| Some(Binding { name: v.name.clone()?, slot: v.binding?.binding }))
        .collect();
    bindings.sort_by_key(|b| b.slot);
    Ok(bindings)
}

/// A kernel compiled for a device.
pub struct Compiled {
    pub name: &'static str,
    /// The whole WGSL.
    pub text: String,
    pub pipeline: wgpu::ComputePipeline,
    pub bindings: Vec<Binding>,
}

/// Compiled kernels by their whole text, which decides all of them.
pub(super) type Pipelines = Arc<Mutex<HashMap<String, Arc<Compiled>>>>;

impl Device {
    /// The kernel with these constants, compiled once.
    pub(super) fn kernel(&self, name: &'static str, consts: &[(&str, Const)]) -> Arc<Compiled> {
        let text = assemble(name, consts, self.profile.packing());
        let mut pipelines = self.pipelines.lock().expect("no holder panics");
        if let Some(found) = pipelines.get(&text) {
            return Arc::clone(found);
        }
        let bindings = reflect(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        // SAFETY: kernels stay inside their bindings by construction: extents are constants of the text, the recorder
        // checks each binding against them, and every kernel is run at odd sizes against its reference in the tests.
        // Loops end by construction.
        let module = unsafe {
            self.raw.create_shader_module_trusted(
                wgpu::ShaderModuleDescriptor {
                    label: Some(name),
                    source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
                },
                wgpu::ShaderRuntimeChecks::unchecked(),
            )
        };
        self.account.make(0);
        let pipeline = self.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        let compiled = Arc::new(Compiled { name, text: text.clone(), pipeline, bindings });
        pipelines.insert(text, Arc::clone(&compiled));
        compiled
    }
}
