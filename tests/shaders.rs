//! Every shader that can run is valid WGSL and translates to SPIR-V, MSL and HLSL; the files and the list agree.

mod common;

use alexnet::alexnet::TABLES;
use alexnet::bench;
use alexnet::cases;
use alexnet::check;
use alexnet::column::StepUniform;
use alexnet::gpu::{Packing, SHADERS, assemble};
use alexnet::net::Net;
use alexnet::products::Family;
use alexnet::solo::Solo;
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[test]
fn the_list_holds_every_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = BTreeSet::new();
    for folder in std::fs::read_dir(&root).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().with_extension("");
            files.insert(name.components().map(|c| c.as_os_str().to_str().unwrap()).collect::<Vec<_>>().join("/"));
        }
    }
    let listed: BTreeSet<_> = SHADERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, listed);
}

fn translate(name: &str, text: &str) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    // Trusted, as the device compiles them.
    let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
    spv::write_vec(&module, &info, &options, None).unwrap_or_else(|e| panic!("{name} to SPIR-V: {e}"));
    let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..msl::Options::default() };
    msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
        .unwrap_or_else(|e| panic!("{name} to MSL: {e}"));
    let mut out = String::new();
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..hlsl::Options::default() };
    let pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut out, &options, &pipeline)
        .write(&module, &info, None)
        .unwrap_or_else(|e| panic!("{name} to HLSL: {e}"));
}

#[test]
fn every_shader_translates() {
    let _alone = common::alone();
    let mut texts: BTreeMap<String, &str> = BTreeMap::new();
    for device in common::devices() {
        let ceiling = bench::Kernels::new(&device, 64);
        for program in ceiling.fma.iter().chain([&ceiling.copy]) {
            texts.extend(program.kernels().map(|(name, text)| (text.to_owned(), name)));
        }
        let mut collect = |solo: &Solo| {
            for program in [solo.forward(), solo.backward(), solo.beside()] {
                texts.extend(program.kernels().map(|(name, text)| (text.to_owned(), name)));
            }
        };
        for round in check::rounds(&device) {
            for case in &round.cases {
                collect(&Solo::new(&round.device, case).unwrap());
            }
        }
        for table in TABLES {
            let net = Net::resolve(table, 1000, 0.5).unwrap();
            // fc6 and fc7 differ from the others in nothing but their size, which costs half a gigabyte.
            for case in cases::of(&net, 2).iter().filter(|case| !["fc6", "fc7"].contains(&case.name.as_str())) {
                collect(&Solo::new(&device, case).unwrap());
            }
        }
    }
    for (text, name) in &texts {
        translate(name, text);
    }
    let used: BTreeSet<_> = texts.values().copied().collect();
    let subgroups = common::devices().iter().any(|d| matches!(d.profile.family, Family::Lanes { .. }));
    for (name, _) in SHADERS {
        let optional = name.starts_with("shared/") || (name.starts_with("lanes/") && !subgroups);
        assert!(texts.is_empty() || optional || used.contains(name), "{name} never ran");
    }
}

#[test]
fn the_step_has_one_layout() {
    let text = assemble("image/arrange", &[("ITEMS", 1usize.into())], Packing::Floats);
    let shared = SHADERS.iter().find(|(name, _)| *name == "shared/step").unwrap().1;
    assert!(text.contains(shared), "imports are appended as they are");
    let module = naga::front::wgsl::parse_str(shared).unwrap();
    let (_, step) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Step")).unwrap();
    let naga::TypeInner::Struct { members, span } = &step.inner else { panic!("Step is a struct") };
    assert_eq!(*span as usize, size_of::<StepUniform>());
    let fields: Vec<_> = members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect();
    macro_rules! offsets {
        ($($field:ident)*) => {
            vec![$((stringify!($field).to_owned(), std::mem::offset_of!(StepUniform, $field))),*]
        };
    }
    let expected = offsets!(seed_low seed_high step column valid first total train accumulate rate scale unused);
    assert_eq!(fields, expected);
}
