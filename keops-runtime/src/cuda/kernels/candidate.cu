// A value with the column that it comes from. The smallest of no values is infinity, at column 0.
struct Slot {
    double value;
    Size index;
};
