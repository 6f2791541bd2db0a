"""Writes the data sets of the tests, and what scikit-learn and SciPy make of them.

    pip install numpy scipy scikit-learn
    pip download --no-deps statsmodels
    unzip -p statsmodels-*.whl statsmodels/datasets/fair/fair.csv > fair.csv
    python make.py fair.csv

digits.txt         1797 images of handwritten digits: 64 grey levels 0..16, a character each (0-9, then a-g), and the class
diabetes.csv       442 patients: 10 variables, not standardised, and the progression of the disease
breast_cancer.csv  569 tumours: 30 variables, not standardised, and the class
reference.csv      for the systems of `problems`: the norm and the first entry of the solution a by scikit-learn's KernelRidge (dense Cholesky);
                   the iterations of scipy.sparse.linalg.cg, without a preconditioner, to relative residuals of 1e-3, 1e-6 and 1e-8;
                   of scikit-learn's GaussianProcessRegressor, the log determinant, the log marginal likelihood, and the mean and the standard
                   deviation at the first point; and the root mean square of the leave-one-out residuals, from the inverse;
                   and b'a

The series of CO2 is that of examples/data, in years of 365.25 days. The 6366 answers of R. Fair, A theory of extramarital affairs (Journal of
Political Economy, 1978) come with statsmodels by permission of the author, and are not kept here.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.sparse.linalg import cg
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge

HERE = Path(__file__).parent


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


def co2():
    """The weeks as years from the first, and the CO2."""
    with open(HERE / "../../../examples/data/co2_weekly.csv") as file:
        series = np.loadtxt(file, delimiter=",", skiprows=1)
    year = 365.25 / 7
    return np.round((series[:, :1] - series[0, 0]) * year) / year, series[:, 1]


def signs(classes):
    return np.where(classes, 1.0, -1.0)


def main():
    digits = load_digits()
    with open(HERE / "digits.txt", "w") as file:
        for image, label in zip(digits.data.astype(int), digits.target):
            file.write("".join("0123456789abcdefg"[level] for level in image) + f" {label}\n")
    diabetes = load_diabetes(scaled=False)
    cancer = load_breast_cancer()
    for name, data in (("diabetes", diabetes), ("breast_cancer", cancer)):
        with open(HERE / f"{name}.csv", "w") as file:
            for row, target in zip(data.data, data.target):
                file.write(",".join(repr(float(value)).removesuffix(".0") for value in (*row, target)) + "\n")

    weeks, carbon_dioxide = co2()
    fair = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1)
    problems = [
        ("diabetes", standardised(diabetes.data), standardised(diabetes.target), 0.05, 0.1),
        ("digits", digits.data / 16, signs(digits.target == 0), 0.05, 0.01),
        ("breast_cancer", standardised(cancer.data), signs(cancer.target == 1), 1 / 30, 0.01),
        ("co2", weeks, standardised(carbon_dioxide), 0.5, 0.001),
        ("fair", standardised(fair[:, :8]), standardised(fair[:, 8]), 0.1, 1.0),
    ]
    with open(HERE / "reference.csv", "w") as file:
        out = csv.writer(file, lineterminator="\n")
        file.write(f"# scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, numpy {np.__version__}\n")
        columns = ["problem", "n", "g", "alpha", "norm", "first", "cg_1e-3", "cg_1e-6", "cg_1e-8"]
        out.writerow([*columns, "log_det", "log_likelihood", "mean", "deviation", "leave_one_out", "energy"])
        for name, x, y, g, alpha in problems:
            a = KernelRidge(alpha=alpha, kernel="rbf", gamma=g).fit(x, y).dual_coef_
            squares = (x * x).sum(1)
            k = np.exp(-g * np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
            k += alpha * np.eye(len(x))
            iterations = []
            for tolerance in (1e-3, 1e-6, 1e-8):
                count = [0]

                def step(_):
                    count[0] += 1

                cg(k, y, rtol=tolerance, atol=0, callback=step)
                iterations.append(count[0])
            kernel = RBF(1 / np.sqrt(2 * g), "fixed")
            process = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None).fit(x, y)
            log_det = 2 * np.log(np.diag(process.L_)).sum()
            mean, deviation = process.predict(x[:1], return_std=True)
            left_out = a / np.diag(np.linalg.inv(k))
            of_process = [log_det, process.log_marginal_likelihood_value_, mean[0], deviation[0], np.sqrt((left_out**2).mean())]
            row = [np.linalg.norm(a), a[0], *iterations, *of_process, y @ a]
            out.writerow([name, len(x), g, alpha, *(f"{value:.13g}" for value in row)])


if __name__ == "__main__":
    main()
