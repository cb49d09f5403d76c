import Glibc

/// Ratios are differences of logarithms.
enum Logarithm {
    static func of(_ value: Double) -> Double { log(value) }
    static func ofTen(_ value: Double) -> Double { log10(value) }
    static func undo(_ value: Double) -> Double { exp(value) }
}
