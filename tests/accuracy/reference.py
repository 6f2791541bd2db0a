"""Writes reference.txt and doubles.txt: values of the operations of formulas, from mpmath.

    python3 reference.py singles [points per formula] > reference.txt
    python3 reference.py doubles [points per formula] > doubles.txt

A line `= formula` begins the table of a formula in x and y. Each of its lines has the arguments, which are floats as
hexadecimal bits, or doubles in doubles.txt, the correctly rounded value, a double as hexadecimal bits, and what the
rounding lost, in units in the last place of the value. The arguments of doubles.txt have all digits of a double and
lie where floats do not reach too; its formulas are some of those of reference.txt.
"""

import random
import struct
import sys

from mpmath import (
    acos, asin, atan, atan2, besselk, cos, cosh, digamma, erf, exp, expm1, floor, gamma, hypot, log, log1p, loggamma, mp,
    mpf, nan, power, psi, sign, sin, sinh, sqrt, tanh,
)

mp.prec = 300
KIND = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 80
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


def rounded_to(x, decimals):
    """To so many decimals, halves away from zero; NaN beside a half, to whose other side the rounding of x 10^decimals goes."""
    scaled = abs(x) * mpf(10) ** decimals
    digits = 52 if KIND == "doubles" else 23
    if abs(scaled - floor(scaled) - 0.5) < scaled / 2**digits < 1:
        return nan
    return sign(x) * floor(scaled + 0.5) / mpf(10) ** decimals


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

# Operations that came later: the points of the others stay what they are.
MORE = []
for n in (-100, -64, -33, -7, -3, -2, 3, 4, 5, 7, 12, 33, 64, 100):
    MORE.append((f"Pow(x,{n})", lambda x, n=n: power(x, n), both(spread(-96 / abs(n), 96 / abs(n)))))
for d in (-2, 1, 2, 5):
    # As far as there is something to round, and somewhat farther.
    largest = (55 if KIND == "doubles" else 26) - 3.32 * d
    MORE.append((f"Round(x,{d})", lambda x, d=d: rounded_to(x, d), both(either(spread(-1 - 3.32 * d, largest), spread(largest - 8, largest)))))
for name, function in [
    ("Norm2(Concat(x,y))", hypot),
    ("Norm2(Concat(x,Concat(y,Concat(y,x))))", lambda x, y: sqrt(2) * hypot(x, y)),
    ("Elem(Normalize(Concat(x,y)),0)", lambda x, y: x / hypot(x, y)),
    ("ComplexAbs(Concat(x,y))", hypot),
    ("ComplexAngle(Concat(x,y))", lambda x, y: atan2(y, x)),
    ("ComplexReal(ComplexExp(Concat(x,y)))", lambda x, y: exp(x) * cos(y)),
    ("ComplexImag(ComplexExp(Concat(x,y)))", lambda x, y: exp(x) * sin(y)),
]:
    MORE.append((name, function, everywhere, everywhere))
MORE.append(("ComplexReal(ComplexExp1j(x))", cos, everywhere))
MORE.append(("ComplexImag(ComplexExp1j(x))", sin, everywhere))

FUNCTIONS = {formula: function for formula, function, *_ in TABLE + SWEEP + MORE}

# The range of doubles, as far as the functions and their values stay within it.
whole = spread(-996, 996)
tiny = spread(-60, 0)
about_one = either(uniform(0.5, 2), lambda: 1 + both(spread(-50, -2))())
angle = both(either(spread(-60, 50), uniform(0, 8), spread(30, 990)))
cosine = either(uniform(-1, 1), both(lambda: 1 - spread(-52, -2)()), both(tiny))
DOUBLES = [
    ("Divide(x,y)", both(spread(-490, 490)), both(spread(-490, 490))),
    ("Inv(x)", both(whole)),
    ("Powf(x,y)", either(spread(-4, 4), about_one, spread(-500, 500)), either(uniform(-20, 20), uniform(-300, 300), uniform(-1, 1))),
    ("Sqrt(x)", whole),
    ("Rsqrt(x)", whole),
    ("Hypot(x,y)", both(either(spread(990, 995), spread(-990, -985), spread(-2, 2))), both(either(spread(990, 995), spread(-990, -985), spread(-2, 2)))),
    ("Exp(x)", either(uniform(-690, 690), both(tiny))),
    ("Log(x)", either(whole, about_one)),
    ("XLogX(x)", either(spread(-980, 980), about_one)),
    ("Sin(x)", angle),
    ("Cos(x)", angle),
    ("SinXDivX(x)", angle),
    ("Asin(x)", cosine),
    ("Acos(x)", cosine),
    ("Atan(x)", both(either(spread(-60, 60), whole, uniform(0, 4)))),
    ("Atan2(x,y)", both(either(spread(-2, 2), spread(-300, 300))), both(either(spread(-2, 2), spread(-300, 300)))),
    ("Exp2(x)", either(uniform(-996, 996), both(tiny))),
    ("Expm1(x)", either(uniform(-40, 690), uniform(-1, 1), both(tiny))),
    ("Log1p(x)", either(spread(-60, 990), uniform(-1, 1), lambda: spread(-50, 0)() - 1)),
    ("Sinh(x)", both(either(uniform(0, 690), uniform(0, 4), tiny))),
    ("Cosh(x)", both(either(uniform(0, 690), uniform(0, 4), tiny))),
    ("Tanh(x)", both(either(uniform(0, 20), uniform(0, 1), tiny))),
    ("Sigmoid(x)", either(uniform(-690, 40), uniform(-4, 4))),
    ("Softplus(x)", either(uniform(-690, 40), uniform(-4, 4), spread(0, 990))),
    ("Erf(x)", both(either(uniform(0, 6), uniform(0, 1), tiny))),
    ("LGamma(x)", either(spread(-990, 980), uniform(0, 12), uniform(0.9, 1.1), uniform(1.9, 2.1))),
    ("Polygamma(x,0)", either(spread(-990, 990), uniform(0, 12), uniform(1.4, 1.5))),
    ("Polygamma(x,1)", either(spread(-480, 990), uniform(0, 20))),
    ("Polygamma(x,5)", either(spread(-160, 190), uniform(0, 20))),
]
for order in ("0", "0.25", "1", "1.5", "2.7", "8.2"):
    DOUBLES.append((f"BesselK(x,{order})", either(uniform(0, 3), spread(-60, 9), uniform(0, 680))))
for formula in ("MaternFamily(x,-2)", "MaternFamily(x,0.3)", "MaternFamily(x,2.25)", "Matern(x,0.5)", "Matern(x,1.5)", "Matern(x,2.5)", "Matern(x,0.73)"):
    DOUBLES.append((formula, lambda: either(uniform(0, 3), spread(-60, 4), uniform(0, 280))() ** 2))
for formula, _, *samplers in MORE:
    if formula.startswith("Pow("):
        reach = 990 / abs(int(formula[6:-1]))
        samplers = [both(either(spread(-reach, reach), spread(-reach / 30, reach / 30)))]
    elif "Exp(" in formula:
        samplers = [either(uniform(-600, 600), uniform(-4, 4)), angle]
    elif "Exp1j" in formula:
        samplers = [angle]
    elif "Concat" in formula:
        scale = 480 if "Angle" not in formula else 300
        samplers = [both(either(spread(-2, 2), spread(scale, scale + 20), spread(-scale - 20, -scale)))] * 2
    DOUBLES.append((formula, *samplers))

if KIND == "doubles":
    argument, width, least = float, "d", 1e-300
    entries = [(COUNT, (formula, FUNCTIONS[formula], *samplers)) for formula, *samplers in DOUBLES]
else:
    argument, width, least = single, "f", 1e-30
    entries = [(COUNT, entry) for entry in TABLE] + [(COUNT // 4, entry) for entry in SWEEP] + [(COUNT, entry) for entry in MORE]
for count, (formula, function, *samplers) in entries:
    print("=", formula)
    written = 0
    while written < count:
        arguments = [argument(sampler()) for sampler in samplers]
        value = function(*map(mpf, arguments))
        if not least < abs(value) < 1 / least:
            continue
        rounded = float(value)
        bits = struct.pack(">d", rounded)
        unit = mpf(struct.unpack(">d", struct.pack(">q", struct.unpack(">q", bits)[0] + 1))[0]) - mpf(rounded)
        lost = float((value - mpf(rounded)) / abs(unit))
        print(*(struct.pack(">" + width, x).hex() for x in arguments), bits.hex(), f"{lost:.3f}")
        written += 1
