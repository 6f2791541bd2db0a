// The Gaussian product out_i = sum_j exp(-gamma |x_i - y_j|^2) b_j as a C++ programmer would write it for speed: a
// structure of arrays, a loop over j that the compiler vectorises (with the vector exponential of libmvec), OpenMP over i.
//
// Arguments and protocol: see peers/worker.py.

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

static std::vector<double> read(const std::string &path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) {
        std::cerr << "cannot read " << path << '\n';
        std::exit(1);
    }
    std::vector<double> values(static_cast<std::size_t>(file.tellg()) / sizeof(double));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(values.data()), values.size() * sizeof(double));
    return values;
}

template <class T> struct Points {
    std::vector<T> x0, x1, x2;

    explicit Points(const std::vector<double> &rows) {
        for (std::size_t i = 0; i + 2 < rows.size(); i += 3) {
            x0.push_back(static_cast<T>(rows[i]));
            x1.push_back(static_cast<T>(rows[i + 1]));
            x2.push_back(static_cast<T>(rows[i + 2]));
        }
    }
};

template <class T>
static void product(const Points<T> &x, const Points<T> &y, const std::vector<T> &b, T gamma, std::vector<T> &out) {
    const std::size_t rows = out.size(), columns = b.size();
    const T *y0 = y.x0.data(), *y1 = y.x1.data(), *y2 = y.x2.data(), *weights = b.data();
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < rows; ++i) {
        const T x0 = x.x0[i], x1 = x.x1[i], x2 = x.x2[i];
        T sum = 0;
        for (std::size_t j = 0; j < columns; ++j) {
            const T d0 = x0 - y0[j], d1 = x1 - y1[j], d2 = x2 - y2[j];
            sum += std::exp(-gamma * (d0 * d0 + d1 * d1 + d2 * d2)) * weights[j];
        }
        out[i] = sum;
    }
}

template <class T> static int work(const std::string &directory, T gamma) {
    const Points<T> x(read(directory + "/x")), y(read(directory + "/y"));
    const std::vector<double> weights = read(directory + "/b");
    const std::vector<T> b(weights.begin(), weights.end());
    std::vector<T> out(x.x0.size());
    std::cout << "ready g++ " << __VERSION__ << std::endl;
    std::string command, path;
    int count = 0;
    while (std::cin >> command) {
        if (command == "run" && std::cin >> count) {
            const auto start = std::chrono::steady_clock::now();
            for (int run = 0; run < count; ++run) {
                product(x, y, b, gamma, out);
            }
            const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
            std::cout << "seconds " << elapsed.count() / count << std::endl;
        } else if (command == "save" && std::cin >> path) {
            const std::vector<double> values(out.begin(), out.end());
            std::ofstream file(path, std::ios::binary);
            file.write(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(double));
            file.close();
            std::cout << "saved" << std::endl;
        } else {
            return 1;
        }
    }
    return 0;
}

int main(int count, char **arguments) {
    const std::string task = count == 9 ? arguments[1] : "";
    if ((task != "gaussian" && task != "same") || std::string(arguments[4]) != "3" ||
        std::string(arguments[5]) != "1") {
        std::cerr << "expected: gaussian|same f32|f64 DIRECTORY 3 1 GAMMA ALPHA EPS\n";
        return 2;
    }
    const double gamma = std::atof(arguments[6]);
    const std::string directory = arguments[3];
    return std::string(arguments[2]) == "f32" ? work<float>(directory, static_cast<float>(gamma))
                                              : work<double>(directory, gamma);
}
