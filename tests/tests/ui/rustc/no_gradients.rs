use keops_solve::prelude::*;

fn main() {
    let conv = genred!("Exp(-SqDist(x,y))", x = Vi(1), y = Vj(1), axis = 1);
    let x = [[0.0], [1.0]];
    let forward = conv.bind(&x, &x).forward();
    let kinv = kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(1), y = Vj(1), b = Vj(1));
    let forward = kinv.bind(&x, &x, &x).forward();
}
