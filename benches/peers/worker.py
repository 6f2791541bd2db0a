"""A peer as a process: PyKeOps or NumPy, on one problem.

    worker.py pykeops|numpy  product|solve f32|f64 DIRECTORY D COLUMNS GAMMA ALPHA EPS

Every peer, also those in other languages, takes the arguments from `product` on and reads the points from the files x,
y (product only) and b in DIRECTORY: little-endian doubles, row by row, d or columns of them in a row. It prints
`ready VERSIONS`, then answers the lines of its standard input: `run` computes and prints `seconds S`, timed around the
computation alone; `save PATH` writes the last result as doubles and prints `saved`.

    product   out_i = sum_j exp(-gamma |x_i - y_j|^2) b_j
    solve     (alpha Id + K) a = b with K_ij = exp(-gamma |x_i - x_j|^2)
"""

import os
import sys
from time import perf_counter

import numpy as np


def pykeops_problem(task, dtype, x, y, b, gamma, alpha, eps):
    import pykeops
    from pykeops.numpy import Genred, KernelSolve

    formula = "Exp(-g*SqDist(x,y))*b"
    d, columns = x.shape[1], b.shape[1]
    aliases = [f"x = Vi({d})", f"y = Vj({d})", f"b = Vj({columns})", "g = Pm(1)"]
    g = np.array([gamma], dtype=dtype)
    versions = f"pykeops {pykeops.__version__}"
    if task == "product":
        sum_ = Genred(formula, aliases, reduction_op="Sum", axis=1)
        return versions, lambda: sum_(x, y, b, g, backend="CPU")
    solver = KernelSolve(formula, aliases, "b", axis=1)
    return versions, lambda: solver(x, x, b, g, backend="CPU", alpha=alpha, eps=eps)


def numpy_problem(task, dtype, x, y, b, gamma, alpha, eps):
    versions = f"numpy {np.__version__}"
    if task == "product":
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
    y = read("y", d) if task == "product" else x
    # PyKeOps and its compilers print to standard output, where only answers belong.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    problem = {"pykeops": pykeops_problem, "numpy": numpy_problem}[peer]
    versions, compute = problem(task, dtype, x, y, b, gamma, alpha, eps)

    print("ready", versions, file=answers, flush=True)
    result = None
    for line in sys.stdin:
        command, *path = line.split(maxsplit=1)
        if command == "run":
            start = perf_counter()
            result = compute()
            print("seconds", perf_counter() - start, file=answers, flush=True)
        elif command == "save":
            result.astype("<f8").tofile(path[0].rstrip("\n"))
            print("saved", file=answers, flush=True)


if __name__ == "__main__":
    main()
