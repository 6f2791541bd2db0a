//! The way to a device: the runtime against a driver whose device is the processor. It is a library of the name of NVIDIA's, so that it
//! takes a process of its own; of the other name that the driver is looked for by, as NVRTC would call functions of a `libcuda.so.1`
//! that this one lacks.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use keops_compiler::alias::{Alias, Category};
use keops_solve::__private::cuda::compile::Compiler;
use keops_solve::__private::cuda::source::{Reduction, Type, assemble};
use keops_solve::prelude::*;
use keops_tests::compiled::{Compiled, blocks};
use keops_tests::data::points;

use crate::host;

genred!(Nearest: "SqDist(x,y)*b + g", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1), reduction = KMinArgKMin(3), axis = 1);
genred!(Smooth: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = Sum, axis = 1);

/// Set in the process that has the driver.
const INSIDE: &str = "KEOPS_TEST_DRIVER";

#[test]
fn a_reduction_finds_its_way_to_a_device_and_back() {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let Some(compiler) = host::compiler() else {
        return;
    };
    if let Err(error) = Compiler::get() {
        assert!(env::var_os("KEOPS_NVRTC").is_none(), "{error}");
        println!("skipped: {error}");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a writable folder");
    let of_functions = |source: String| source.replace("extern \"C\" ", "static ");
    let (nearest, smooth) = (
        of_functions(Nearest.cuda_source::<f32>()),
        of_functions(mirrored_source()),
    );
    let source = format!(
        "#define main unused\n#include \"main.cpp\"\nconst Kernel* const kernels[1] = {{}};\n\
         namespace k0 {{\n{nearest}\n}}\nnamespace k1 {{\n{smooth}\n}}\n#include \"driver.cpp\"\n"
    );
    fs::write(folder.join("driver-and-kernel.cpp"), source).expect("a writable folder");
    let built = Command::new(compiler)
        .args([
            "-std=c++17",
            "-O1",
            "-ffp-contract=off",
            "-w",
            "-shared",
            "-fPIC",
            "-I",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda"))
        .arg(folder.join("driver-and-kernel.cpp"))
        .arg("-o")
        .arg(folder.join("libnvcuda.so"))
        .status();
    assert!(built.is_ok_and(|status| status.success()));

    let cache = folder.join("cache");
    let run = || {
        let status = Command::new(env::current_exe().expect("this program"))
            .args([
                "--exact",
                "driver::a_reduction_finds_its_way_to_a_device_and_back",
            ])
            .env(INSIDE, "1")
            .env("KEOPS_CACHE", &cache)
            .env("LD_LIBRARY_PATH", &folder)
            .status();
        assert!(status.is_ok_and(|status| status.success()));
        let entries = fs::read_dir(&cache).expect("a cache");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect::<Vec<_>>()
    };
    // Compiled, kept, and compiled again where what was kept is damaged.
    let kept = run();
    let sound: Vec<_> = kept
        .iter()
        .map(|path| fs::read(path).expect("an entry"))
        .collect();
    assert_eq!(kept.len(), 2);
    assert_eq!(run(), kept);
    fs::write(&kept[0], &sound[0][..sound[0].len() / 2]).expect("a writable entry");
    assert_eq!(run(), kept);
    assert_eq!(fs::read(&kept[0]).expect("an entry"), sound[0]);
}

/// The source of [`Smooth`] with the same points on both sides.
fn mirrored_source() -> String {
    let alias = |name: &str, category, dim| Alias {
        name: name.into(),
        category,
        dim,
    };
    let aliases = [
        alias("x", Category::I, 3),
        alias("y", Category::J, 3),
        alias("g", Category::Param, 1),
    ];
    let kernel = Compiled::new("Exp(-g*SqDist(x,y))", None, &aliases, 1).times(2);
    let reduction = Reduction::Mirrored(blocks(Type::Single));
    assemble(&kernel.formula(), reduction, Type::Single, Type::Double)
}

/// What runs with the driver.
fn inside() {
    let single = |rows, columns, seed| points(rows, columns, seed).mapv(|x| x as f32);
    // The columns of the last one are cut into parts.
    for (rows, columns) in [(1, 1), (200, 2), (150, 300), (3, 20_000)] {
        let (x, y, b) = (
            single(rows, 2, 1),
            single(columns, 2, 2),
            single(columns, 1, 3),
        );
        let bound = Nearest.bind(&x, &y, &b, 1.5);
        let expected = bound.clone().backend(Backend::Cpu).run().expect("a result");
        let found = bound.backend(Backend::Cuda(0)).run().expect("a result");
        assert_eq!(found.1, expected.1, "{rows} {columns}");
        let close = |(a, b): (&f32, &f32)| a == b || (a - b).abs() <= 1e-6 * b.abs();
        assert!(
            found.0.iter().zip(&expected.0).all(close),
            "{rows} {columns}"
        );
    }
    // Of several blocks, each of which meets the others once.
    let (x, b) = (single(3000, 3, 4), single(3000, 2, 5));
    let bound = Smooth.bind(&x, &x, &b, 1.5);
    let expected = bound.clone().backend(Backend::Cpu).run().expect("a result");
    let found = bound.backend(Backend::Cuda(0)).run().expect("a result");
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(55.0);
    assert!(
        found.iter().zip(&expected).all(close),
        "{found}\n{expected}"
    );

    let (x, b) = (single(10, 2, 1), single(10, 1, 2));
    let error = Nearest
        .bind(&x, &x, &b, 1.5)
        .backend(Backend::Cuda(1))
        .run()
        .unwrap_err();
    assert!(error.to_string().contains("1 CUDA devices"), "{error}");
}
