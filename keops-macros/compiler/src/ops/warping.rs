//! Soft dynamic time warping (Cuturi and Blondel 2017).
//!
//! The pairs of values of two series, of n and m of them, are the cells of a grid, and the cost R of the best alignment up to a cell is
//! a recurrence: the cell's own cost plus the smooth minimum S of R at the three cells from which an alignment comes. Its
//! differential is a linear recurrence with the weights of these three, whose adjoint runs backwards, and the derivatives of both are
//! such recurrences again: the operations below are closed under differentiation, and none takes more code for more cells.
//!
//! Grids have a border of one row and one column, so that the neighbours of all cells exist: m + 1 columns, and n + 1 rows. The border is
//! behind the cells, so that cell (i, j) is at k = i (m + 1) + j, or in front of them, so that it is at k + (m + 1) + 1. Where one
//! comes from is, with the border in front, at k + 0 (both series advance), k + 1 (the first one) or k + m + 1 (the second one).

use super::helpers::{int, list};
use super::tensor::{MAT_VEC_MULT, TENSOR_PROD, VEC_MAT_MULT};
use super::{
    ADD, CONCAT, DIVIDE, Derivative, ELEM, EXP, EXTRACT, EXTRACT_T, Linearity, MINUS, MULT,
    Meaning, Op, Param, SCALPROD, SQUARE, SUBTRACT, SUM_T,
};
use crate::dag::{Dag, Node};
use crate::lower::{Assignments, Component};
use crate::scalar::{Index, Instruction, Value};

/// The largest number of pairs of values: a kernel keeps a few numbers for each.
const MOST_PAIRS: usize = 1 << 14;

/// The logarithm of a weight that is 0 in all types.
const NEVER: f64 = -1e4;

/// Soft dynamic time warping.
pub(crate) static SOFT_DTW_SQ_DIST: Op = Op {
    name: "SoftDTW_SqDist",
    args: &["x", "y", "g"],
    dim: |dims, _| match *dims {
        [n, m, 1] if n.saturating_mul(m) <= MOST_PAIRS => Ok(1),
        [n, m, 1] => Err(format!(
            "series of {n} and {m} values make {} pairs; at most {MOST_PAIRS} are possible",
            n.saturating_mul(m)
        )),
        _ => Err(format!(
            "the operands have dimensions {}; the temperature must be a scalar",
            list(dims)
        )),
    },
    meaning: Meaning::Expand(|dag, args, _| {
        let &[x, y, temperature] = args else {
            return dag.zero(1);
        };
        let columns = Param::Int(dag.dim(y) as i64);
        let differences = dag.apply(&DIFFERENCES, &[x, y]);
        let costs = dag.apply(&SQUARE, &[differences]);
        let size = dag.dim(costs) as i64;
        let aligned = dag.apply_with(&ALIGNED, &[costs, temperature], &[columns]);
        dag.apply_with(&ELEM, &[aligned], &[Param::Int(size - 1)])
    }),
    doc: "Soft dynamic time warping of two series with squared differences as costs, at temperature g > 0: the smooth minimum of the cost over all alignments; its error is that of a smooth minimum for each step of an alignment",
    ..Op::BASE
};

/// x_i - y_j in cell (i, j), and 0 in the border behind.
static DIFFERENCES: Op = Op {
    name: "SoftDTW_SqDist",
    args: &["x", "y"],
    dim: |dims, _| Ok((dims[0] + 1) * (dims[1] + 1)),
    meaning: Meaning::Assigned(|array| {
        let (rows, columns) = (array.dim(0), array.dim(1));
        array.over(&[rows, columns], |c| {
            let [i, j] = cell(c);
            let (x, y) = (c.at(0, &i), c.at(1, &j));
            let difference = c.apply(Instruction::Sub, &[x, y]);
            vec![(i.times(columns + 1).plus(&j), difference)]
        });
    }),
    derivative: Derivative::Adjoint(|dag, args, _, e| {
        let [rows, columns] = [0, 1].map(|n| dag.dim(args[n]));
        let [each_row, each_column] = [rows, columns].map(|length| bordered_ones(dag, length));
        let left = dag.apply(&MAT_VEC_MULT, &[e, each_column]);
        let right = dag.apply(&VEC_MAT_MULT, &[each_row, e]);
        let minus = dag.apply(&MINUS, &[right]);
        vec![
            Some(stretch(dag, left, 0, rows)),
            Some(stretch(dag, minus, 0, columns)),
        ]
    }),
    linearity: Linearity::Joint,
    ..Op::BASE
};

/// The costs R of the best alignments, with the border in front, then S = R - cost, with the border behind; for costs with the border behind,
/// a temperature and the number of columns.
static ALIGNED: Op = Op {
    name: "SoftDTW_SqDist",
    args: &["costs", "g"],
    params: &[int("m")],
    dim: |dims, _| Ok(2 * dims[0]),
    meaning: Meaning::Assigned(|array| {
        let grid = Grid::of(array);
        array.over(&[], |c| {
            let corner = c.at(0, &Index::default());
            vec![(Index::constant(grid.start()), corner)]
        });
        // In the first row and the first column alignments come from one cell.
        let [_, above, left] = grid.before();
        array.over(&[grid.columns - 1], |c| {
            let k = c.indices()[0].shifted(1);
            let soft = c.earlier(k.shifted(left));
            aligned(c, grid, k, soft)
        });
        array.over(&[grid.rows - 1], |c| {
            let k = c.indices()[0].times(grid.width()).shifted(grid.width());
            let soft = c.earlier(k.shifted(above));
            aligned(c, grid, k, soft)
        });
        array.over(&[grid.rows - 1, grid.columns - 1], |c| {
            let k = grid.inner_position(c);
            let before = grid.before().map(|offset| c.earlier(k.shifted(offset)));
            let temperature = c.at(1, &Index::default());
            let soft = soft_minimum(c, before, temperature);
            aligned(c, grid, k, soft)
        });
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let grid = Grid::new(dag.dim(args[0]), &params[0]);
        let aligned = dag.apply_with(&ALIGNED, args, params);
        let logarithms = dag.apply_with(&LOG_WEIGHTS, &[aligned, args[1]], params);
        let weights = dag.apply(&EXP, &[logarithms]);

        let costs = stretch(dag, e, 0, grid.size());
        let soft = stretch(dag, e, grid.size(), grid.size());
        let costs = lowered(dag, costs, grid.start());
        let both = dag.apply(&ADD, &[costs, soft]);
        let adjoint = dag.apply_with(&BACKWARD, &[weights, both], params);
        let own = dag.apply(&SUBTRACT, &[adjoint, soft]);

        // d S / d g = sum of w log w
        let products = dag.apply(&MULT, &[weights, logarithms]);
        let slopes = over_directions(dag, products, grid);
        vec![Some(own), Some(dag.apply(&SCALPROD, &[adjoint, slopes]))]
    }),
    ..Op::BASE
};

/// What a cell is assigned, from the smooth minimum before it.
fn aligned(c: &mut Component<'_, '_>, grid: Grid, k: Index, soft: Value) -> Vec<(Index, Value)> {
    let cost = c.at(0, &k);
    let total = c.apply(Instruction::Add, &[cost, soft]);
    vec![
        (k.shifted(grid.start()), total),
        (k.shifted(grid.size()), soft),
    ]
}

/// The logarithms (S - R before) / g of the weights of the three cells that an alignment may come from, where all three exist: three
/// grids with the border behind, which are 0 elsewhere. (One of weight 1 is what it takes where an alignment comes from one cell, and
/// where it comes from none, what the weight is multiplied with is 0.)
static LOG_WEIGHTS: Op = Op {
    name: "SoftDTW_SqDist",
    args: &["aligned", "g"],
    params: &[int("m")],
    dim: |dims, _| Ok(dims[0] / 2 * 3),
    meaning: Meaning::Assigned(|array| {
        let grid = Grid::new(array.dim(0) / 2, array.param(0));
        array.over(&[grid.rows - 1, grid.columns - 1], |c| {
            use Instruction::*;
            let k = grid.inner_position(c);
            let soft = c.at(0, &k.shifted(grid.size()));
            let (temperature, never) = (c.at(1, &Index::default()), c.constant(NEVER));
            let mut weights = Vec::new();
            for (direction, offset) in grid.before().into_iter().enumerate() {
                let before = c.at(0, &k.shifted(offset));
                let difference = c.apply(Sub, &[soft, before]);
                let logarithm = c.apply(Div, &[difference, temperature]);
                // Finite, so that no product with a weight of 0 is NaN; the second operand, so that NaN stays.
                let logarithm = c.apply(Max, &[never, logarithm]);
                weights.push((k.shifted(direction * grid.size()), logarithm));
            }
            weights
        });
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let grid = Grid::new(dag.dim(args[0]) / 2, &params[0]);
        let logarithms = dag.apply_with(&LOG_WEIGHTS, args, params);
        let [rows, columns] = grid.shape().map(|length| inner_ones(dag, length));
        let cells = dag.apply(&TENSOR_PROD, &[rows, columns]);
        let cells = for_directions(dag, [cells; 3]);
        let inside = dag.apply(&MULT, &[e, cells]);
        let scaled = dag.apply(&DIVIDE, &[inside, args[1]]);
        let soft = over_directions(dag, scaled, grid);
        let mut costs = dag.zero(grid.size());
        for (part, offset) in directions(dag, scaled, grid).into_iter().zip(grid.before()) {
            let raised = raised(dag, part, offset);
            costs = dag.apply(&SUBTRACT, &[costs, raised]);
        }
        let product = dag.apply(&SCALPROD, &[scaled, logarithms]);
        vec![
            Some(dag.apply(&CONCAT, &[costs, soft])),
            Some(dag.apply(&MINUS, &[product])),
        ]
    }),
    ..Op::BASE
};

/// The solution u, with the border in front, of u = f + sum over the three directions of w u before, for weights and f with the border behind.
static FORWARD: Op = Op {
    name: "SoftDTW_SqDist",
    args: &["weights", "f"],
    params: &[int("m")],
    dim: |dims, _| Ok(dims[1]),
    meaning: Meaning::Assigned(|array| {
        let grid = Grid::new(array.dim(1), array.param(0));
        array.over(&grid.shape(), |c| {
            let k = grid.position(c);
            let before = grid.before().map(|offset| [k.clone(), k.shifted(offset)]);
            let sum = propagated(c, grid, &k, before);
            vec![(k.shifted(grid.start()), sum)]
        });
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let grid = Grid::new(dag.dim(e), &params[0]);
        let lowered = lowered(dag, e, grid.start());
        let adjoint = dag.apply_with(&BACKWARD, &[args[0], lowered], params);
        let value = dag.apply_with(&FORWARD, args, params);
        let weights = weights_adjoint(dag, adjoint, value, grid);
        vec![Some(weights), Some(adjoint)]
    }),
    linearity: Linearity::AfterFirst,
    ..Op::BASE
};

/// The adjoint recurrence, from the last cell to the first: v = f + sum over the directions of (w v) behind, all with the border behind.
static BACKWARD: Op = Op {
    name: "SoftDTW_SqDist",
    args: &["weights", "f"],
    params: &[int("m")],
    dim: |dims, _| Ok(dims[1]),
    meaning: Meaning::Assigned(|array| {
        let grid = Grid::new(array.dim(1), array.param(0));
        array.back_over(&grid.shape(), |c| {
            let k = grid.position(c);
            let behind = grid.before().map(|offset| {
                let behind = k.shifted(grid.start() - offset);
                [behind.clone(), behind]
            });
            let sum = propagated(c, grid, &k, behind);
            vec![(k, sum)]
        });
    }),
    derivative: Derivative::Adjoint(|dag, args, params, e| {
        let grid = Grid::new(dag.dim(e), &params[0]);
        let adjoint = dag.apply_with(&FORWARD, &[args[0], e], params);
        let value = dag.apply_with(&BACKWARD, args, params);
        let weights = weights_adjoint(dag, value, adjoint, grid);
        let right = lowered(dag, adjoint, grid.start());
        vec![Some(weights), Some(right)]
    }),
    linearity: Linearity::AfterFirst,
    ..Op::BASE
};

/// f in a cell, and the sum over the directions of weights times what was computed, at these places.
fn propagated(c: &mut Component<'_, '_>, grid: Grid, k: &Index, places: [[Index; 2]; 3]) -> Value {
    let mut sum = c.at(1, k);
    for (direction, [weight, earlier]) in places.into_iter().enumerate() {
        let weight = c.at(0, &weight.shifted(direction * grid.size()));
        let earlier = c.earlier(earlier);
        let product = c.apply(Instruction::Mul, &[weight, earlier]);
        sum = c.apply(Instruction::Add, &[sum, product]);
    }
    sum
}

/// What weights receive: the product of what runs backwards, in their own cell, and what runs forwards, before it.
fn weights_adjoint(dag: &mut Dag, backward: Node, forward: Node, grid: Grid) -> Node {
    let parts = grid.before().map(|offset| {
        let before = lowered(dag, forward, offset);
        dag.apply(&MULT, &[backward, before])
    });
    for_directions(dag, parts)
}

/// The grid of a pair of series.
#[derive(Clone, Copy)]
struct Grid {
    rows: usize,
    columns: usize,
}

impl Grid {
    /// The grid of so many cells, the border among them.
    fn new(size: usize, columns: &Param) -> Grid {
        let columns = columns.size();
        let rows = size / (columns + 1) - 1;
        Grid { rows, columns }
    }

    fn of(array: &Assignments<'_, '_>) -> Grid {
        Grid::new(array.dim(0), array.param(0))
    }

    fn shape(self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn width(self) -> usize {
        self.columns + 1
    }

    fn size(self) -> usize {
        (self.rows + 1) * self.width()
    }

    /// Where the first cell is behind a border.
    fn start(self) -> usize {
        self.width() + 1
    }

    /// Where the cells before the first one are, in the border.
    fn before(self) -> [usize; 3] {
        [0, 1, self.width()]
    }

    /// The position of the cell that is visited, of those behind the first row and column.
    fn inner_position(self, c: &Component<'_, '_>) -> Index {
        self.position(c).shifted(self.start())
    }

    /// The position of the cell that is visited.
    fn position(self, c: &Component<'_, '_>) -> Index {
        let [i, j] = cell(c);
        i.times(self.width()).plus(&j)
    }
}

fn cell(c: &Component<'_, '_>) -> [Index; 2] {
    [0, 1].map(|n| c.indices()[n].clone())
}

/// -g log(sum of e^(-f / g)), relative to the smallest, so that no exponential overflows.
fn soft_minimum(c: &mut Component<'_, '_>, values: [Value; 3], temperature: Value) -> Value {
    use Instruction::*;
    let [first, second, third] = values;
    let least = c.apply(Min, &[first, second]);
    let least = c.apply(Min, &[least, third]);
    let [first, second, third] = values.map(|value| {
        let difference = c.apply(Sub, &[least, value]);
        let exponent = c.apply(Div, &[difference, temperature]);
        c.apply(Exp, &[exponent])
    });
    let sum = c.apply(Add, &[first, second]);
    let sum = c.apply(Add, &[sum, third]);
    let logarithm = c.apply(Log, &[sum]);
    let below = c.apply(Mul, &[temperature, logarithm]);
    c.apply(Sub, &[least, below])
}

/// So many ones, and a zero.
fn bordered_ones(dag: &mut Dag, length: usize) -> Node {
    let one = dag.constant(1.0);
    let ones = dag.apply_with(&SUM_T, &[one], &[Param::Int(length as i64)]);
    dag.apply_with(
        &EXTRACT_T,
        &[ones],
        &[Param::Int(0), Param::Int(length as i64 + 1)],
    )
}

/// A zero, so many ones less one, and a zero.
fn inner_ones(dag: &mut Dag, length: usize) -> Node {
    let dim = Param::Int(length as i64 + 1);
    if length == 1 {
        return dag.zero(length + 1);
    }
    let one = dag.constant(1.0);
    let ones = dag.apply_with(&SUM_T, &[one], &[Param::Int(length as i64 - 1)]);
    dag.apply_with(&EXTRACT_T, &[ones], &[Param::Int(1), dim])
}

/// The `length` components from `start`.
fn stretch(dag: &mut Dag, vector: Node, start: usize, length: usize) -> Node {
    let stretch = [Param::Int(start as i64), Param::Int(length as i64)];
    dag.apply_with(&EXTRACT, &[vector], &stretch)
}

/// Component k + offset in the place of component k, and zeros at the end.
fn lowered(dag: &mut Dag, vector: Node, offset: usize) -> Node {
    let dim = dag.dim(vector);
    let rest = stretch(dag, vector, offset, dim - offset);
    dag.apply_with(
        &EXTRACT_T,
        &[rest],
        &[Param::Int(0), Param::Int(dim as i64)],
    )
}

/// Component k in the place of component k + offset, and zeros at the beginning.
fn raised(dag: &mut Dag, vector: Node, offset: usize) -> Node {
    let dim = dag.dim(vector);
    let rest = stretch(dag, vector, 0, dim - offset);
    let place = [Param::Int(offset as i64), Param::Int(dim as i64)];
    dag.apply_with(&EXTRACT_T, &[rest], &place)
}

/// The grids of the three directions.
fn directions(dag: &mut Dag, all: Node, grid: Grid) -> [Node; 3] {
    [0, 1, 2].map(|direction| stretch(dag, all, direction * grid.size(), grid.size()))
}

/// The sum of the grids of the three directions.
fn over_directions(dag: &mut Dag, all: Node, grid: Grid) -> Node {
    let [first, second, third] = directions(dag, all, grid);
    let sum = dag.apply(&ADD, &[first, second]);
    dag.apply(&ADD, &[sum, third])
}

/// The grids of the three directions as one vector.
fn for_directions(dag: &mut Dag, [first, second, third]: [Node; 3]) -> Node {
    let rest = dag.apply(&CONCAT, &[second, third]);
    dag.apply(&CONCAT, &[first, rest])
}
