"""A peer as a process, on one problem.

    worker.py pykeops|numpy|scipy|sklearn  TASK f32|f64 DIRECTORY D COLUMNS GAMMA ALPHA EPS

Every peer, also those in other languages, takes the arguments from TASK on and reads the points from the files x,
y and b in DIRECTORY: little-endian doubles, row by row, d or columns of them in a row. It prints
`ready VERSIONS`, then answers the lines of its standard input: `run COUNT` computes so often and prints `seconds S`, the
mean time of a computation alone; `save PATH` writes the last result as doubles and prints `saved`.

    gaussian, same  out_i = sum_j k(x_i, y_j) b_j with k = exp(-gamma |x - y|^2); the points may be the same
    laplacian       exp(-gamma |x - y|)                  matern32      (1 + gamma |x - y|) exp(-gamma |x - y|)
    cauchy          1 / (1 + gamma |x - y|^2)            multiquadric  1 / sqrt(1 + gamma |x - y|^2)
    logsumexp       log sum_j exp(-gamma |x_i - y_j|^2)
    argmin, argkmin the index of the nearest y_j, or of the 10 nearest
    gradient        of sum_ij k(x_i, y_j) b_j by x for the Gaussian k
    batches         gaussian in each of the batches of 16 neighbouring rows of x, y and b
    solve           (alpha Id + K) a = b with the Gaussian K_ij = k(x_i, x_j)
"""

import os
import sys
from time import perf_counter

import numpy as np


# A formula, and a reduction with its argument.
FORMULAS = {
    "gaussian": "Exp(-g*SqDist(x,y))*b",
    "same": "Exp(-g*SqDist(x,y))*b",
    "laplacian": "Exp(-g*Norm2(x-y))*b",
    "matern32": "(IntCst(1)+g*Norm2(x-y))*Exp(-g*Norm2(x-y))*b",
    "cauchy": "Inv(IntCst(1)+g*SqDist(x,y))*b",
    "multiquadric": "Rsqrt(IntCst(1)+g*SqDist(x,y))*b",
    "logsumexp": "-g*SqDist(x,y)",
    "argmin": "SqDist(x,y)",
    "argkmin": "SqDist(x,y)",
    "gradient": "Grad(Exp(-g*SqDist(x,y))*b,x,e)",
    "batches": "Exp(-g*SqDist(x,y))*b",
}
REDUCTIONS = {"logsumexp": ("LogSumExp", {}), "argmin": ("ArgMin", {}), "argkmin": ("ArgKMin", {"opt_arg": 10})}


def pykeops_problem(task, dtype, x, y, b, gamma, alpha, eps):
    import pykeops
    from pykeops.numpy import Genred, KernelSolve

    d, columns = x.shape[1], b.shape[1]
    variables = {
        "x": (f"Vi({d})", x),
        "y": (f"Vj({d})", y),
        "b": (f"Vj({columns})", b),
        "g": ("Pm(1)", np.array([gamma], dtype=dtype)),
        "e": ("Vi(1)", np.ones((x.shape[0], 1), dtype)),
    }
    versions = f"pykeops {pykeops.__version__}"
    if task == "solve":
        names = "xybg"
        aliases = [f"{name} = {variables[name][0]}" for name in names]
        solver = KernelSolve(FORMULAS["gaussian"], aliases, "b", axis=1)
        return versions, lambda: solver(x, x, b, variables["g"][1], backend="CPU", alpha=alpha, eps=eps)
    if task == "batches":
        # Leading axes are batch dimensions, of parameters too.
        variables = {name: (kind, a.reshape(-1, 16, a.shape[-1]) if name != "g" else a.reshape(1, 1)) for name, (kind, a) in variables.items()}
    names = {"logsumexp": "xyg", "argmin": "xy", "argkmin": "xy", "gradient": "xybge"}.get(task, "xybg")
    aliases = [f"{name} = {variables[name][0]}" for name in names]
    reduction, arguments = REDUCTIONS.get(task, ("Sum", {}))
    reduce = Genred(FORMULAS[task], aliases, reduction_op=reduction, axis=1, **arguments)
    arrays = [variables[name][1] for name in names]
    return versions, lambda: reduce(*arrays, backend="CPU")


def in_blocks(x, width, dtype, compute):
    """compute(rows, out) for blocks of 128 rows: a whole matrix would spend its time in page faults."""
    out = np.empty((x.shape[0], width), dtype)

    def run():
        for first in range(0, x.shape[0], 128):
            compute(x[first : first + 128], out[first : first + 128])
        return out

    return run


def scipy_problem(task, dtype, x, y, b, gamma, alpha, eps):
    import scipy
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    metric = "euclidean" if task in ("laplacian", "matern32") else "sqeuclidean"
    kernels = {
        "laplacian": lambda r: np.exp(-gamma * r),
        "matern32": lambda r: (1 + gamma * r) * np.exp(-gamma * r),
        "cauchy": lambda s: 1 / (1 + gamma * s),
        "multiquadric": lambda s: 1 / np.sqrt(1 + gamma * s),
    }
    kernel = kernels.get(task, lambda s: np.exp(-gamma * s))

    def compute(rows, out):
        # cdist computes in double precision, whatever the type.
        distances = cdist(rows, y, metric)
        if task == "logsumexp":
            out[:, 0] = logsumexp(-gamma * distances, axis=1)
        elif task == "argmin":
            out[:, 0] = np.argmin(distances, axis=1)
        elif task == "argkmin":
            nearest = np.argpartition(distances, 10, axis=1)[:, :10]
            order = np.argsort(np.take_along_axis(distances, nearest, 1), axis=1)
            out[:] = np.take_along_axis(nearest, order, 1)
        else:
            out[:] = kernel(distances.astype(dtype, copy=False)) @ b

    width = {"logsumexp": 1, "argmin": 1, "argkmin": 10}.get(task, b.shape[1])
    indices = task in ("argmin", "argkmin")
    return f"scipy {scipy.__version__}", in_blocks(x, width, np.int64 if indices else dtype, compute)


def sklearn_problem(task, dtype, x, y, b, gamma, alpha, eps):
    import sklearn
    from sklearn.metrics.pairwise import rbf_kernel
    from sklearn.neighbors import NearestNeighbors

    versions = f"scikit-learn {sklearn.__version__}"
    if task in ("argmin", "argkmin"):
        count = 1 if task == "argmin" else 10
        search = NearestNeighbors(n_neighbors=count, algorithm="brute", n_jobs=-1).fit(y)
        return versions, lambda: search.kneighbors(x, return_distance=False)

    def compute(rows, out):
        out[:] = rbf_kernel(rows, y, gamma) @ b

    return versions, in_blocks(x, b.shape[1], dtype, compute)


def numpy_problem(task, dtype, x, y, b, gamma, alpha, eps):
    versions = f"numpy {np.__version__}"
    if task != "solve":
        # Blocks of rows, in place: the whole matrix would spend its time in page faults.
        rows = 128
        y2 = np.sum(y * y, axis=1)
        out = np.empty((x.shape[0], b.shape[1]), dtype)
        matrix = np.empty((rows, y.shape[0]), dtype)

        def product():
            for first in range(0, x.shape[0], rows):
                block = x[first : first + rows]
                k = matrix[: block.shape[0]]
                np.matmul(block, y.T, out=k)
                k *= 2
                k -= y2
                k -= np.sum(block * block, axis=1)[:, None]
                k *= gamma
                np.exp(k, out=k)
                np.matmul(k, b, out=out[first : first + rows])
            return out

        return versions, product

    def solve():
        x2 = np.sum(x * x, axis=1)
        k = x @ x.T
        k *= 2
        k -= x2
        k -= x2[:, None]
        k *= gamma
        np.exp(k, out=k)
        k[np.diag_indices_from(k)] += alpha
        return np.linalg.solve(k, b)

    return versions, solve


def main():
    peer, task, dtype, directory, d, columns, *numbers = sys.argv[1:]
    gamma, alpha, eps = map(float, numbers)
    dtype = {"f32": np.float32, "f64": np.float64}[dtype]

    def read(name, width):
        return np.fromfile(f"{directory}/{name}", "<f8").reshape(-1, int(width)).astype(dtype)

    x, b = read("x", d), read("b", columns)
    y = read("y", d) if task != "solve" else x
    # PyKeOps and its compilers print to standard output, where only answers belong.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    problem = {
        "pykeops": pykeops_problem,
        "numpy": numpy_problem,
        "scipy": scipy_problem,
        "sklearn": sklearn_problem,
    }[peer]
    versions, compute = problem(task, dtype, x, y, b, gamma, alpha, eps)

    print("ready", versions, file=answers, flush=True)
    result = None
    for line in sys.stdin:
        command, argument = line.rstrip("\n").split(maxsplit=1)
        if command == "run":
            count = int(argument)
            start = perf_counter()
            for _ in range(count):
                result = compute()
            print("seconds", (perf_counter() - start) / count, file=answers, flush=True)
        elif command == "save":
            result.astype("<f8").tofile(argument)
            print("saved", file=answers, flush=True)


if __name__ == "__main__":
    main()
