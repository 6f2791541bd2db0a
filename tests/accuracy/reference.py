"""Writes reference.txt: values of the operations of formulas, from mpmath.

    python3 reference.py [points per formula] > reference.txt

A line `= formula` begins the table of a formula in x and y. Each of its lines has the arguments, which are floats as
hexadecimal bits, the correctly rounded value, a double as hexadecimal bits, and what the rounding lost, in units in the
last place of the value.
"""

import random
import struct
import sys

from mpmath import (
    acos, asin, atan, atan2, besselk, cos, cosh, digamma, erf, exp, expm1, gamma, hypot, log, log1p, loggamma, mp, mpf,
    power, psi, sin, sinh, sqrt, tanh,
)

mp.prec = 300
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 80
random.seed(3)


def single(x):
    return struct.unpack(">f", struct.pack(">f", x))[0]


def signed(x):
    return random.choice((-1, 1)) * x


def uniform(low, high):
    return lambda: random.uniform(low, high)


def spread(low, high):
    """Uniform in the exponent of two."""
    return lambda: 2.0 ** random.uniform(low, high)


def either(*samplers):
    return lambda: random.choice(samplers)()


def both(sampler):
    return lambda: signed(sampler())


def matern(square, nu):
    s = sqrt(square)
    at_zero = 2 ** (nu - 1) * gamma(nu) if nu > 0 else 1
    return s**nu * besselk(abs(nu), s) / at_zero


def square_of_distance():
    return either(uniform(0, 3), uniform(0.6, 0.9), spread(-8, 4), uniform(0, 20), uniform(0, 90))() ** 2


small = spread(-20, 0)
everywhere = both(either(spread(-20, 6), uniform(0, 8)))
positive = either(spread(-20, 20), uniform(0, 4))
unit = either(uniform(-1, 1), both(small))

TABLE = [
    ("Divide(x,y)", lambda x, y: x / y, everywhere, positive),
    ("Inv(x)", lambda x: 1 / x, everywhere),
    ("Powf(x,y)", lambda x, y: power(x, y), spread(-4, 4), uniform(-20, 20)),
    ("Sqrt(x)", sqrt, positive),
    ("Rsqrt(x)", lambda x: 1 / sqrt(x), positive),
    ("Hypot(x,y)", hypot, everywhere, everywhere),
    ("Exp(x)", exp, either(uniform(-80, 80), both(small))),
    ("Log(x)", log, either(spread(-100, 100), uniform(0.5, 2))),
    ("XLogX(x)", lambda x: x * log(x), either(spread(-50, 50), uniform(0.5, 2))),
    ("Sin(x)", sin, everywhere),
    ("Cos(x)", cos, everywhere),
    ("SinXDivX(x)", lambda x: sin(x) / x, everywhere),
    ("Asin(x)", asin, unit),
    ("Acos(x)", acos, unit),
    ("Atan(x)", atan, everywhere),
    ("Atan2(x,y)", atan2, everywhere, everywhere),
    ("Exp2(x)", lambda x: power(2, x), either(uniform(-120, 120), both(small))),
    ("Expm1(x)", expm1, either(uniform(-80, 80), both(small))),
    ("Log1p(x)", log1p, either(spread(-50, 50), uniform(-0.9, 1))),
    ("Sinh(x)", sinh, everywhere),
    ("Cosh(x)", cosh, everywhere),
    ("Tanh(x)", tanh, everywhere),
    ("Sigmoid(x)", lambda x: 1 / (1 + exp(-x)), everywhere),
    ("Softplus(x)", lambda x: log1p(exp(x)), everywhere),
    ("Erf(x)", erf, everywhere),
    ("LGamma(x)", loggamma, either(spread(-20, 20), uniform(0, 12), uniform(0.9, 1.1), uniform(1.9, 2.1))),
    ("Polygamma(x,0)", digamma, either(spread(-20, 20), uniform(0, 12), uniform(1.4, 1.5))),
]
# Operations with few points for each of many orders, after what has many points: these are of any size.
SWEEP = []
for order in range(1, 33):
    SWEEP.append((f"Polygamma(x,{order})", lambda x, n=order: psi(n, x), either(spread(-15, 15), uniform(0, 20), uniform(0, 60))))
# Orders are doubles, whatever is written.
for order in ("0", "0.1", "0.25", "0.75", "1", "1.5", "2.375", "2.7", "3.5", "6", "8.2", "15.7", "20.5", "31.5", "32"):
    sampler = either(uniform(0, 3), uniform(0.6, 0.9), spread(-20, 6), uniform(0, 50))
    TABLE.append((f"BesselK(x,{order})", lambda x, nu=mpf(float(order)): besselk(nu, x), sampler))
for order in ("-7.3", "-2", "0.25", "0.3", "0.5", "0.75", "1", "1.5", "2.25", "2.5", "3.5", "5", "8.2", "19.7", "31.5", "32"):
    TABLE.append((f"MaternFamily(x,{order})", lambda x, nu=mpf(float(order)): matern(x, nu), square_of_distance))
# All half-integers and as many orders between them.
for order in sorted([k + 0.5 for k in range(32)] + [round(0.1 * 320 ** (k / 32), 2) for k in range(33)]):
    SWEEP.append((f"Matern(x,{order})", lambda x, nu=mpf(order): matern(2 * nu * x, nu), lambda nu=order: square_of_distance() / (2 * nu)))

for count, (formula, function, *samplers) in [(COUNT, entry) for entry in TABLE] + [(COUNT // 4, entry) for entry in SWEEP]:
    print("=", formula)
    written = 0
    while written < count:
        arguments = [single(sampler()) for sampler in samplers]
        value = function(*map(mpf, arguments))
        rounded = float(value)
        if not 1e-30 < abs(rounded) < 1e30:
            continue
        bits = struct.pack(">d", rounded)
        unit = mpf(struct.unpack(">d", struct.pack(">q", struct.unpack(">q", bits)[0] + 1))[0]) - mpf(rounded)
        lost = float((value - mpf(rounded)) / abs(unit))
        print(*(struct.pack(">f", x).hex() for x in arguments), bits.hex(), f"{lost:.3f}")
        written += 1
