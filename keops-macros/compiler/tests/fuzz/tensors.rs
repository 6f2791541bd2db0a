//! Products of tensors, which are stored row by row.

use crate::number::Number;
use crate::operations::Parameter;

type Vector = Vec<Number>;

/// All indices into a tensor, in the order in which it is stored.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![Vec::new()], |indices, &extent| {
        let longer = indices
            .iter()
            .flat_map(|index| (0..extent).map(|k| index.iter().copied().chain([k]).collect()));
        longer.collect()
    })
}

fn position(index: &[usize], shape: &[usize]) -> usize {
    index
        .iter()
        .zip(shape)
        .fold(0, |position, (k, extent)| position * extent + k)
}

/// numpy.tensordot: every product of two components goes to the place that the kept axes name.
pub(crate) fn tensor_dot(args: &[Vector], params: &[Parameter]) -> Vector {
    let [f_shape, g_shape, f_axes, g_axes] = [0, 1, 2, 3].map(|n| params[n].list());
    let kept = |index: &[usize], axes: &[usize]| -> Vec<usize> {
        (0..index.len())
            .filter(|axis| !axes.contains(axis))
            .map(|axis| index[axis])
            .collect()
    };
    let natural: Vec<usize> = [kept(f_shape, f_axes), kept(g_shape, g_axes)].concat();
    let places: Vec<usize> = match params.get(4).map(Parameter::list) {
        Some(order) if !order.is_empty() => order.to_vec(),
        _ => (0..natural.len()).collect(),
    };
    let permuted = |index: &[usize]| {
        let mut to = vec![0; index.len()];
        places
            .iter()
            .zip(index)
            .for_each(|(&place, &k)| to[place] = k);
        to
    };
    let shape = permuted(&natural);
    let mut result = vec![Vector::new(); shape.iter().product()];
    for f in indices(f_shape) {
        for g in indices(g_shape) {
            if f_axes.iter().zip(g_axes).all(|(&a, &b)| f[a] == g[b]) {
                let index = permuted(&[kept(&f, f_axes), kept(&g, g_axes)].concat());
                let factors = [
                    args[0][position(&f, f_shape)],
                    args[1][position(&g, g_shape)],
                ];
                result[position(&index, &shape)].push(factors[0] * factors[1]);
            }
        }
    }
    result
        .into_iter()
        .map(|terms| terms.into_iter().sum())
        .collect()
}

/// numpy.kron
pub(crate) fn kron(args: &[Vector], params: &[Parameter]) -> Vector {
    let [f_shape, g_shape] = [0, 1].map(|n| params[n].list());
    let shape: Vec<usize> = f_shape.iter().zip(g_shape).map(|(f, g)| f * g).collect();
    let component = |index: Vec<usize>| {
        let f: Vec<usize> = index.iter().zip(g_shape).map(|(k, g)| k / g).collect();
        let g: Vec<usize> = index.iter().zip(g_shape).map(|(k, g)| k % g).collect();
        args[0][position(&f, f_shape)] * args[1][position(&g, g_shape)]
    };
    indices(&shape).into_iter().map(component).collect()
}
