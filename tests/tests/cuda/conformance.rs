//! All reference cases.

use keops_solve::__private::cuda::source::Type;
use keops_tests::case::Case;
use keops_tests::conformance::{Part, Precision, cases, compare};

use crate::compiled::{blocks, of_case, reduction};
use crate::host::{Job, Launch, Outcome, compiler, run};

/// The arrays of a case, its columns cut into parts of this length.
fn launch(case: &Case, job: &Job, part: usize) -> Launch {
    let side = |category: &str| -> Vec<(Vec<f64>, usize)> {
        let variables = case.aliases.iter().zip(&case.inputs);
        variables
            .filter(|(alias, _)| alias.category == category)
            .map(|(alias, input)| (input.clone(), alias.dim))
            .collect()
    };
    let count = |arrays: &[(Vec<f64>, usize)]| arrays.first().map_or(1, |(a, dim)| a.len() / dim);
    let (i, j) = (side("Vi"), side("Vj"));
    let (rows, columns) = if case.axis == 1 { (i, j) } else { (j, i) };
    let params = side("Pm").into_iter().flat_map(|(values, _)| values);
    assert_eq!(
        job.compiled.variables.len(),
        case.aliases.len(),
        "{}",
        case.name
    );
    Launch {
        params: params.collect(),
        row_count: count(&rows),
        column_count: count(&columns),
        rows,
        columns,
        weights: Vec::new(),
        part,
        wanted: case.k.unwrap_or(1),
    }
}

fn check(case: &Case, t: Type, outcome: Outcome, what: &str) {
    let tolerance = match t {
        Type::Single => f32::TOLERANCE,
        Type::Double => f64::TOLERANCE,
    };
    let reduction = case.reduction.replace('_', "");
    let indices = (outcome.indices, 0.0);
    let values = (outcome.values, tolerance);
    let parts = match &*reduction {
        "ArgMin" | "ArgMax" | "ArgKMin" => vec![indices],
        "MinArgMin" | "MaxArgMax" | "KMinArgKMin" => vec![values, indices],
        _ => vec![values],
    };
    assert_eq!(parts.len(), case.outputs.len(), "{what}");
    for ((values, tolerance), expected) in parts.into_iter().zip(&case.outputs) {
        assert_eq!(values.len(), expected.values.len(), "{what}");
        let part = Part {
            shape: expected.shape.clone(),
            values,
            tolerance,
        };
        compare(&part, expected, what);
    }
}

#[test]
fn every_reference_case_conforms() {
    let Some(compiler) = compiler() else {
        return;
    };
    let mut jobs = Vec::new();
    let mut wanted = Vec::new();
    for case in cases() {
        for t in [Type::Double, Type::Single] {
            let mut job = Job {
                name: format!("{} = {} in {t:?}", case.name, case.formula),
                compiled: of_case(case),
                reduction: reduction(case, blocks(t)),
                t,
                launches: Vec::new(),
            };
            // As a whole and in parts.
            job.launches = [usize::MAX >> 1, 5]
                .map(|part| launch(case, &job, part))
                .into();
            jobs.push(job);
            wanted.push((case, t));
        }
    }
    assert_eq!(jobs.len(), 2 * 188);
    let outcomes = run(&compiler, "conformance", &jobs);
    for ((case, t), (job, outcomes)) in wanted.into_iter().zip(jobs.iter().zip(outcomes)) {
        for (outcome, launch) in outcomes.into_iter().zip(&job.launches) {
            check(
                case,
                t,
                outcome,
                &format!("{}, parts of {}", job.name, launch.part),
            );
        }
    }
}
