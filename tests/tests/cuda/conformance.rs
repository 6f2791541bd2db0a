//! All reference cases.

use keops_solve::__private::cuda::recipe::Type;
use keops_tests::case::Case;
use keops_tests::compiled::{arrays, blocks, check, of_case, reduction};
use keops_tests::conformance::cases;

use crate::host::{Job, Launch, compiler, run};

/// The arrays of a case, its columns cut into parts of this length.
fn launch(case: &Case, part: usize) -> Launch {
    Launch {
        arrays: arrays(case),
        weights: Vec::new(),
        part,
        wanted: case.k.unwrap_or(1),
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
            jobs.push(Job {
                name: format!("{} = {} in {t:?}", case.name, case.formula),
                compiled: of_case(case),
                reduction: reduction(case, blocks(t)),
                t,
                // As a whole and in parts.
                launches: [usize::MAX >> 1, 5].map(|part| launch(case, part)).into(),
            });
            wanted.push((case, t));
        }
    }
    assert_eq!(jobs.len(), 2 * 188);
    let outcomes = run(&compiler, "conformance", &jobs);
    for ((case, t), (job, outcomes)) in wanted.into_iter().zip(jobs.iter().zip(outcomes)) {
        for (outcome, launch) in outcomes.into_iter().zip(&job.launches) {
            let what = format!("{}, parts of {}", job.name, launch.part);
            check(case, t, outcome.values, outcome.indices, &what);
        }
    }
}
