//! Calls of every operation with any arguments: formulas are made of them, or it is said what is wrong, and where.

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::ops::all;
use keops_compiler::parse::parse;
use proptest::prelude::*;

/// Variables, numbers at the borders of what is read, and lists of integers.
fn leaf() -> impl Strategy<Value = String> {
    let integers = prop_oneof![
        4 => (-2_i64..9).prop_map(|n| n.to_string()),
        1 => prop::sample::select(vec![
            i64::MAX, i64::MIN + 1, 1 << 32, 1 << 31, 65_537, 4096, 1000, -1000,
        ])
        .prop_map(|n| n.to_string()),
    ];
    let lists = prop::collection::vec(integers.clone(), 0..5);
    prop_oneof![
        6 => prop::sample::select(vec!["x", "y", "b", "g", "m"]).prop_map(str::to_owned),
        2 => integers,
        1 => prop::sample::select(vec!["0.5", "1e308", "1e-320", "2.", "z", "Vi(1,3)", "Vj(7,2)", "Pm(9,0)"])
            .prop_map(str::to_owned),
        1 => lists.prop_map(|items| format!("[{}]", items.join(","))),
    ]
}

/// Calls with as many arguments as an operation takes, most often.
fn formula() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        let calls = (
            prop::sample::select(all().collect::<Vec<_>>()),
            prop::collection::vec(inner.clone(), 6),
            0_usize..20,
        );
        let calls = calls.prop_map(|(op, arguments, other)| {
            let most = op.args.len() + op.params.len();
            let count = if other < 6 { other } else { most };
            let some = &arguments[..count.min(arguments.len())];
            format!("{}({})", op.name, some.join(","))
        });
        let symbols = prop::sample::select(vec!["+", "-", "*", "/", "**", "|", "<", "==", "!="]);
        let operators = prop::sample::select(vec![
            "Grad",
            "Diff",
            "GradMatrix",
            "Divergence",
            "Laplacian",
            "TraceOperator",
            "AdjointOperator",
            "SumLinOperator",
        ]);
        let variables = prop::sample::select(vec!["x", "y", "b", "g", "m", "x+y", "2"]);
        let operators = (
            operators,
            inner.clone(),
            variables,
            inner.clone(),
            any::<bool>(),
        );
        let operators = operators.prop_map(|(name, f, v, e, three)| match three {
            true => format!("{name}({f},{v},{e})"),
            false => format!("{name}({f},{v})"),
        });
        prop_oneof![
            4 => calls,
            1 => operators,
            1 => (inner.clone(), symbols, inner).prop_map(|(a, op, b)| format!("({a}{op}{b})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_calls_are_formulas_or_refused(text in formula()) {
        let alias = |name: &str, category, dim| Alias { name: name.to_owned(), category, dim };
        let aliases = [
            alias("x", Category::I, 3),
            alias("y", Category::J, 3),
            alias("b", Category::J, 1),
            alias("m", Category::J, 16),
            alias("g", Category::Param, 1),
        ];
        let made = parse(&text).and_then(|tree| Formula::new(&tree, &aliases, &[]));
        match made {
            Err(error) => {
                let span = error.span();
                prop_assert!(span.start <= span.end && span.end <= text.len());
                prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
                prop_assert!(error.render(&text).contains('^'));
            }
            Ok(mut formula) => {
                prop_assert!(formula.dim() > 0);
                formula.symmetry();
                let program = formula.program();
                prop_assert_eq!(program.dim, formula.dim());
                // What it is printed as has the same meaning.
                let printed = parse(formula.text()).map_err(|error| TestCaseError::fail(error.render(formula.text())))?;
                prop_assert!(Formula::new(&printed, &aliases, &[]).is_ok(), "{}", formula.text());
            }
        }
    }
}
