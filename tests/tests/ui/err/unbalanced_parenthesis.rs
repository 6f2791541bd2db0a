use keops_solve::prelude::*;

fn main() {
    genred!("Exp(-g*SqDist(x,y)*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), axis = 1);
    genred!("Exp(-SqDist(x,y)))*b", x = Vi(3), y = Vj(3), b = Vj(2), axis = 1);
    genred!(
        "Exp(-SqDist(x,y))
            * (b + Sum(b)",
        x = Vi(3),
        y = Vj(3),
        b = Vj(2),
        axis = 1
    );
}
