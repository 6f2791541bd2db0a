//! Recurrences and Jacobians, which keep arrays for a pair and loop over them in both directions, against the interpreted formula.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::scalar::Inputs;
use keops_solve::__private::cuda::recipe::{Reduction, Type};
use keops_tests::compiled::{Arrays, Compiled, blocks};

use crate::host::{Job, Launch, compiler, run};

const ROWS: usize = 5;
const COLUMNS: usize = 7;
const X: usize = 11;
const Y: usize = 9;

/// Of x of i, y of j, and parameters.
const FORMULAS: [&str; 7] = [
    "SoftDTW_SqDist(x,y,g)",
    "Grad(SoftDTW_SqDist(x,y,g),x,1)",
    "Grad(SoftDTW_SqDist(x,y,g),g,1)",
    "Grad((Grad(SoftDTW_SqDist(x,y,g),x,1)|x),y,1)",
    "GradMatrix(Grad(Exp(-g*SqNorm2(x-SumT(Elem(y,1),11))),x,1),x)",
    "GradMatrix(VecMatMult(MatVecMult(A,x*x),A)*Sum(y),x)",
    "Divergence(VecMatMult(MatVecMult(A,x*x),A)*Sum(y),x)",
];

fn numbers(count: usize, step: f64) -> Vec<f64> {
    (1..=count).map(|k| (step * k as f64).sin()).collect()
}

#[test]
fn loops_over_arrays_of_a_pair() {
    let Some(compiler) = compiler() else {
        return;
    };
    let aliases = [
        ("x", Category::I, X),
        ("y", Category::J, Y),
        ("g", Category::Param, 1),
        ("A", Category::Param, 2 * X),
    ]
    .map(|(name, category, dim)| Alias {
        name: name.to_owned(),
        category,
        dim,
    });
    let (rows, columns) = (numbers(ROWS * X, 1.3), numbers(COLUMNS * Y, 0.7));
    let params = [&[0.4][..], &numbers(2 * X, 2.1)].concat();
    let mut jobs = Vec::new();
    for formula in FORMULAS {
        for t in [Type::Double, Type::Single] {
            jobs.push(Job {
                name: format!("{formula} in {t:?}"),
                compiled: Compiled::new(formula, None, &aliases, 1),
                reduction: Reduction::Sum(blocks(t)),
                t,
                launches: vec![Launch {
                    arrays: Arrays {
                        params: params.clone(),
                        rows: rows.clone(),
                        columns: columns.clone(),
                        row_count: ROWS,
                        column_count: COLUMNS,
                    },
                    weights: Vec::new(),
                    part: usize::MAX >> 1,
                    wanted: 1,
                }],
            });
        }
    }
    let outcomes = run(&compiler, "loops", &jobs);
    for (job, outcomes) in jobs.iter().zip(outcomes) {
        let program = &job.compiled.program;
        let mut expected = Vec::new();
        let mut size = 0.0f64;
        for i in rows.chunks(X) {
            let mut sum = vec![0.0; program.dim];
            for j in columns.chunks(Y) {
                let inputs = Inputs {
                    params: params.clone(),
                    i: i.to_vec(),
                    j: j.to_vec(),
                };
                for (sum, term) in sum.iter_mut().zip(program.interpret(&inputs)) {
                    *sum += term;
                    size = size.max(term.abs());
                }
            }
            expected.extend(sum);
        }
        let tolerance = match job.t {
            Type::Double => 1e-12,
            Type::Single => 1e-4,
        };
        let [outcome] = &outcomes[..] else {
            panic!("one launch");
        };
        assert_eq!(outcome.values.len(), expected.len(), "{}", job.name);
        for (got, expected) in outcome.values.iter().zip(&expected) {
            assert!(
                (got - expected).abs() <= tolerance * size,
                "{}: {got:e}, expected {expected:e}",
                job.name
            );
        }
    }
}
