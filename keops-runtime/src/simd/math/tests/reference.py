"""Writes reference.txt: values of the elementary functions in double precision, from mpmath.

    python3 reference.py [points per function] > reference.txt

A line is a name, the arguments, the correctly rounded value and what the rounding lost, doubles as hexadecimal bits.
"""

import random
import struct
import sys

from mpmath import acos, asin, atan, atan2, cos, cosh, erf, exp, expm1, log, log1p, mp, mpf, power, sin, sinh, sqrt, tanh

mp.prec = 400
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 300
random.seed(20)


def bits(x):
    return struct.pack(">d", x).hex()


def emit(name, value, *arguments):
    """One line, unless the value is not a normal number."""
    try:
        rounded = float(value)
    except OverflowError:
        return
    if abs(rounded) >= 2.0**-1022 and abs(rounded) != float("inf"):
        print(name, *map(bits, arguments), bits(rounded), bits(float(value - mpf(rounded))))


def signed(x):
    return random.choice((-1.0, 1.0)) * x


def spread(low, high):
    """Uniform in the exponent."""
    return 2.0 ** random.uniform(low, high)


def near(points):
    """Close to one of the points, where an algorithm changes branches or cancels."""
    return random.choice(points) * (1.0 + random.uniform(-1, 1) * 2.0 ** random.uniform(-52, -4))


HALF_LOG_2 = [0.34657359027997264 * k for k in (1, 2, 3, 4, 5, 7)]
PI_4 = [0.7853981633974483 * k for k in (1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 200, 4e6)]
ONE = [
    ("exp", exp, lambda: random.choice((random.uniform(-708, 709.7), signed(spread(-30, 9)), signed(near(HALF_LOG_2))))),
    ("exp2", lambda x: power(2, x), lambda: random.choice((random.uniform(-1022, 1024), signed(spread(-30, 10))))),
    ("expm1", expm1, lambda: random.choice((signed(spread(-40, 9)), signed(near(HALF_LOG_2)), random.uniform(-2, 2)))),
    ("log", log, lambda: random.choice((spread(-1074, 1023), spread(-2, 2), near([0.75, 1.0, 1.5, 3.0])))),
    ("log1p", log1p, lambda: random.choice((spread(-60, 1023), random.uniform(-1, 2), near([-0.25, 0.5, 2.0, 1e-3])))),
    ("sin", sin, lambda: random.choice((signed(spread(-30, 1000)), random.uniform(-10, 10), near(PI_4), spread(3, 31)))),
    ("cos", cos, lambda: random.choice((signed(spread(-30, 1000)), random.uniform(-10, 10), near(PI_4), spread(3, 31)))),
    ("asin", asin, lambda: random.choice((random.uniform(-1, 1), signed(spread(-40, 0)), min(1.0, near([0.5, 1.0]))))),
    ("acos", acos, lambda: random.choice((random.uniform(-1, 1), 1 - spread(-50, 0), -min(1.0, near([0.5, 1.0]))))),
    ("atan", atan, lambda: random.choice((random.uniform(-3, 3), signed(spread(-40, 100)), near([0.5, 1.0, 2.0])))),
    ("sinh", sinh, lambda: random.choice((random.uniform(-2, 2), signed(spread(-40, 9.47)), near([1.0])))),
    ("cosh", cosh, lambda: random.choice((random.uniform(-2, 2), signed(spread(-40, 9.47)), near([1.0])))),
    ("tanh", tanh, lambda: random.choice((random.uniform(-2, 2), signed(spread(-40, 5)), near([0.7])))),
    ("erf", erf, lambda: random.choice((random.uniform(-6, 6), signed(spread(-40, 3)), near([1.0, 2.0])))),
    ("rsqrt", lambda x: 1 / sqrt(x), lambda: random.choice((spread(-1074, 1023), spread(-2, 2)))),
]

for name, function, argument in ONE:
    for _ in range(COUNT):
        x = argument()
        emit(name, function(mpf(x)), x)

for _ in range(COUNT):
    y, x = random.choice(((spread(-1, 1), spread(-1, 1)), (spread(-1000, 1023), spread(-1000, 1023))))
    y, x = signed(y), signed(x)
    emit("atan2", atan2(mpf(y), mpf(x)), y, x)

for _ in range(2 * COUNT):
    x = random.choice((spread(-1000, 1000), spread(-1, 1), 1.0 + signed(spread(-40, -2))))
    y = random.uniform(-1073, 1023) / float(log(mpf(x)) / log(2))
    emit("pow", power(mpf(x), mpf(y)), x, y)
for _ in range(COUNT // 4):
    x, y = -spread(-10, 10), float(random.randint(-60, 60))
    emit("pow", power(mpf(x), int(y)), x, y)

for _ in range(COUNT):
    x = signed(random.choice((spread(-1023, 1022), spread(-2, 2))))
    emit("recip", 1 / mpf(x), x)
