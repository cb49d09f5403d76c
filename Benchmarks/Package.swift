// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that the server's graph stays as small as it is: what measures time comes from outside. The
// bodies are a target of the server's package (Benchmarks/Bodies), where `make bench-check` counts them too.
let package = Package(
    name: "clarion-benchmarks",
    dependencies: [
        .package(name: "clarion", path: ".."),
        // Without traits: its allocation counters need libraries that not every machine has, and ours counts them.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Floors",
            dependencies: [
                .product(name: "ClarionBenchmarks", package: "clarion"),
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Floors",
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ]
)
