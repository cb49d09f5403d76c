// swift-tools-version: 6.3
import PackageDescription

// One list of settings for every Swift target. Unknown feature names are accepted in silence, so copy from here only.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

/// A floor of the server. What it may import is what it depends on here; `Tools/check-floors` holds the sources to it.
func floor(_ name: String, _ path: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}

/// A C library behind a folder of its own under CShims/.
func shim(_ name: String, links libraries: [String] = []) -> Target {
    .target(
        name: name, path: "CShims/\(name)", cSettings: [.define("_GNU_SOURCE")],
        linkerSettings: libraries.map { .linkedLibrary($0) })
}

func tests(_ name: String, _ dependencies: [Target.Dependency], _ more: [SwiftSetting] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests", swiftSettings: strict + more)
}

/// What only webhooks need: left out with `--disable-default-traits`.
let webhooks = TargetDependencyCondition.when(traits: ["Webhooks"])

/// For tests that end processes: what `#expect(processExitsWith:)` expands to is not marked `unsafe` in 6.3.
let exitTests: [SwiftSetting] = [.treatWarning("StrictMemorySafety", as: .warning)]

let package = Package(
    name: "clarion",
    products: [
        .executable(name: "clarion", targets: ["clarion"]),
        .executable(name: "wsbench", targets: ["wsbench"]),
        // For the package in Benchmarks/, which measures their time.
        .library(name: "ClarionBenchmarks", targets: ["ClarionBenchmarks"]),
    ],
    traits: [
        .trait(name: "Webhooks", description: "Sends webhooks, by an HTTP client that takes minutes to build."),
        .default(enabledTraits: ["Webhooks"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.100.0"),
    ],
    targets: [
        shim("CUring", links: ["uring"]),
        shim("CPosix"),
        shim("CCrypto", links: ["crypto"]),
        shim("CBench", links: ["ssl", "crypto", "z"]),
        shim("CBenchReport", links: ["z"]),
        shim("CTLS", links: ["ssl", "crypto"]),
        shim("CSQLite", links: ["sqlite3"]),
        shim("CPostgres", links: ["pq"]),
        shim("CHiredis", links: ["hiredis"]),
        shim("CDeflate", links: ["z"]),
        shim("CSandbox", links: ["seccomp"]),
        shim("CSandboxTries"),

        floor("ClarionLog", "Sources/Log"),
        floor(
            "ClarionSettings", "Sources/Settings",
            ["ClarionLog", "ClarionBytes", "ClarionWire", .product(name: "TOMLKit", package: "TOMLKit")]),
        floor("ClarionBytes", "Sources/Bytes"),
        floor("ClarionWire", "Sources/Wire", ["ClarionBytes", "CCrypto", "CDeflate"]),
        floor("ClarionLoop", "Sources/Loop", ["ClarionBytes", "CUring", "CPosix"]),
        floor("ClarionTransport", "Sources/Transport", ["ClarionLoop", "CPosix", "CTLS"]),
        floor(
            "ClarionEngine", "Sources/Engine",
            ["ClarionBytes", "ClarionWire", "ClarionLoop", "ClarionTransport", "CPosix"]),
        floor("ClarionEcho", "Sources/Protocols/Echo", ["ClarionEngine", "ClarionWire", "ClarionBytes"]),
        floor(
            "ClarionRealtimeJSON", "Sources/Protocols/RealtimeJSON", ["ClarionEngine", "ClarionWire", "ClarionBytes"]),
        floor(
            "ClarionPusher", "Sources/Protocols/Pusher", ["ClarionEngine", "ClarionWire", "ClarionBytes", "CCrypto"]),
        // Neighbours of the way of a message: threads of their own, which exchange mail with the workers.
        floor("ClarionService", "Sources/Service", ["ClarionBytes", "CPosix"]),
        floor("ClarionStores", "Sources/Stores", ["CSQLite", "CPostgres", "CHiredis"]),
        floor(
            "ClarionApplications", "Sources/Applications",
            ["ClarionStores", "ClarionService", "ClarionSettings", "ClarionLog", "CPosix"]),
        floor(
            "ClarionWebhooks", "Sources/Webhooks",
            [
                "ClarionBytes", "ClarionWire", "ClarionService", "ClarionLog", "CCrypto",
                .product(name: "AsyncHTTPClient", package: "async-http-client", condition: webhooks),
                .product(name: "NIOCore", package: "swift-nio", condition: webhooks),
                .product(name: "NIOPosix", package: "swift-nio", condition: webhooks),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: webhooks),
            ]),
        floor(
            "ClarionAdmin", "Sources/Admin",
            ["ClarionBytes", "ClarionWire", "ClarionLoop", "ClarionEngine", "CPosix"]),
        floor("ClarionSandbox", "Sources/Sandbox", ["CSandbox"]),
        floor(
            "ClarionServer", "Sources/Server",
            [
                "ClarionApplications", "ClarionStores", "ClarionWebhooks", "ClarionService", "ClarionBytes",
                "ClarionEngine",
                "ClarionTransport", "ClarionLoop", "ClarionWire", "ClarionEcho",
                "ClarionRealtimeJSON",
                "ClarionPusher", "ClarionAdmin", "ClarionSettings", "ClarionLog", "ClarionSandbox", "CPosix",
                "CCrypto",
            ]),
        .executableTarget(
            name: "clarion",
            dependencies: [
                "ClarionServer", "ClarionAdmin", "ClarionSettings", "ClarionLog", "ClarionStores",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/App", swiftSettings: strict),
        // The load generator shares no code with the server it judges: its own frames, its own loop, its own C shim.
        floor(
            "WSBenchCore", "Tools/wsbench/Core", ["CBench", "WSBenchReport"]),
        // What becomes of a result: the table, JSON, a log of histograms, a page, a comparison.
        .target(
            name: "WSBenchReport", dependencies: ["CBench", "CBenchReport"], path: "Tools/wsbench/Report",
            resources: [.embedInCode("Page")], swiftSettings: strict),
        .executableTarget(
            name: "wsbench",
            dependencies: [
                "WSBenchCore", "WSBenchReport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tools/wsbench/Main", swiftSettings: strict),

        // What benchmarks run, and the program that counts their instructions and allocations.
        floor(
            "ClarionBenchmarks", "Benchmarks/Bodies",
            [
                "ClarionBytes", "ClarionWire", "ClarionLoop", "ClarionEngine", "ClarionEcho", "ClarionRealtimeJSON",
                "ClarionPusher", "CCrypto",
            ]),
        shim("CMeter"),
        .executableTarget(
            name: "bench-meter", dependencies: ["ClarionBenchmarks", "CMeter"], path: "Benchmarks/Meter",
            swiftSettings: strict),

        // A kernel decided by a seed, for the tests of what runs on one.
        floor("ScriptedBackend", "Tests/Support/ScriptedBackend", ["ClarionLoop", "ClarionBytes", "CPosix"]),

        tests("Log", ["ClarionLog"]),
        tests("Settings", ["ClarionSettings", "ClarionLog"]),
        tests("Bytes", ["ClarionBytes"]),
        tests("Wire", ["ClarionWire", "ClarionBytes"]),
        tests("Loop", ["ClarionLoop", "ClarionBytes", "ScriptedBackend", "CUring", "CPosix"], exitTests),
        tests("Transport", ["ClarionTransport", "ClarionLoop", "CTLS"]),
        tests(
            "Engine",
            [
                "ClarionEngine", "ClarionTransport", "ClarionLoop", "ClarionBytes", "ClarionWire", "ScriptedBackend",
                "CDeflate",
            ]),
        tests("Pusher", ["ClarionPusher", "ClarionEngine", "ClarionWire", "ClarionBytes"]),
        tests("RealtimeJSON", ["ClarionRealtimeJSON", "ClarionEngine", "ClarionWire", "ClarionBytes"]),
        tests("Admin", ["ClarionAdmin"]),
        tests("Sandbox", ["ClarionSandbox", "CSandboxTries"], exitTests),
        tests("Stores", ["ClarionStores"]),
        tests("Applications", ["ClarionApplications", "ClarionStores", "ClarionSettings", "ClarionLog"]),
        tests("Webhooks", ["ClarionWebhooks", "ClarionWire", "ClarionLog"]),
        tests("Server", ["ClarionServer", "ClarionEngine", "ClarionSettings", "ClarionLog", "ClarionBytes"]),
        tests(
            "App",
            [
                "clarion", "ClarionAdmin", "ClarionSettings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        tests("WSBench", ["WSBenchCore", "CBench"]),
        tests("WSBenchReport", ["WSBenchReport", .product(name: "Histogram", package: "hdrhistogram-swift")]),
    ]
)
