import CFuzz
import ClarionSettings

/// Whatever stands in a file of settings, it is taken or refused with a sentence; it never ends the process. The same
/// text, line by line, stands for an environment.
@main
struct SettingsFuzz {
    static func main() {
        let status = unsafe cfuzz_run(CommandLine.argc, CommandLine.unsafeArgv) { bytes, count in
            let buffer = unsafe UnsafeBufferPointer(start: bytes, count: count)
            guard let text = unsafe String(validating: buffer, as: UTF8.self) else { return 0 }
            var asFile = Configuration.Input()
            asFile.fileText = text
            _ = try? Configuration.load(asFile).table()
            var asEnvironment = Configuration.Input()
            for line in text.split(separator: "\n").prefix(64) {
                guard let equals = line.firstIndex(of: "=") else { continue }
                asEnvironment.environment[String(line[..<equals])] = String(line[line.index(after: equals)...])
            }
            asEnvironment.environment["CLARION_CONFIG"] = nil
            _ = try? Configuration.load(asEnvironment).json()
            return 0
        }
        precondition(status == 0)
    }
}
