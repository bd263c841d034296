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
    "lanes/forward" "lanes/forward_few" "lanes/backward_data" "lanes/backward_weight" "lanes/pack_weight" "lanes/unpack_weight"
    "lanes/transpose"
    "relu/forward" "relu/backward"
    "lrn/forward" "lrn/backward" "lrn_space/forward" "lrn_space/ratio" "lrn_space/backward"
    "pool/forward" "pool/backward"
    "dropout/apply"
    "loss/forward" "loss/sum" "loss/backward"
    "optimizer/sgd"
    "exchange/add"
    "shared/each" "shared/gemm" "shared/lanes" "shared/nan" "shared/places" "shared/power" "shared/random" "shared/step"
}

/// A constant put in front of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Const {
    /// `u32`
    U(usize),
    /// `f32`
    F(f32),
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

/// WGSL of kernel `name`: constants, the kernel, and every file it imports.
///
/// # Panics
/// On a name that is not in [`SHADERS`].
pub fn assemble(name: &str, consts: &[(&str, Const)]) -> String {
    let mut text = String::new();
    for (name, value) in consts {
        match value {
            Const::U(v) => writeln!(text, "const {name} = {v}u;"),
            Const::F(v) => writeln!(text, "const {name} = f32({v:?});"),
        }
        .expect("writing to a string");
    }
    let mut seen = vec![name.to_owned()];
    let mut next = 0;
    while next < seen.len() {
        for line in source(&seen[next]).lines() {
            if let Some(import) = line.strip_prefix("#import ") {
                let shared = format!("shared/{}", import.trim());
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

/// Compiled kernels by their whole text.
pub(super) type Pipelines = Mutex<HashMap<String, Arc<Compiled>>>;

impl Device {
    /// The kernel with these constants, compiled once.
    pub(super) fn kernel(&self, name: &'static str, consts: &[(&str, Const)]) -> Arc<Compiled> {
        let text = assemble(name, consts);
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
