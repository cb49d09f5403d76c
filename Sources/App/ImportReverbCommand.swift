import ArgumentParser
import ClarionSettings
import Glibc

/// `clarion config import-reverb PATH/.env`
struct ImportReverbCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import-reverb", abstract: "Turn the .env of a Laravel application into a configuration.",
        discussion: """
            Prints TOML, with secrets. What has no counterpart is told on standard error. Values that stand in \
            config/reverb.php itself rather than in the environment are not seen.
            """)

    @Argument(help: ArgumentHelp("The .env file.", valueName: "path"))
    var path: String

    @Option(help: ArgumentHelp("Write to this file, readable by its owner only.", valueName: "file"))
    var output: String?

    func run() throws {
        let result: ReverbImport
        do throws(SettingsError) {
            result = try ReverbImport(path: path, text: try SettingsText.read(path: path))
        } catch {
            for problem in error.problems { printToStandardError("Error: \(problem)") }
            throw ExitCode(EX_DATAERR)
        }
        for remark in result.remarks { printToStandardError("Note: \(remark)") }
        guard let output else { return print(result.toml, terminator: "") }
        let descriptor = unsafe open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let remedy = errno == EEXIST ? "; it is not overwritten: name another, or remove it first" : ""
            printToStandardError(unsafe "Error: \(output): \(String(cString: strerror(errno)))\(remedy)")
            throw ExitCode(EX_CANTCREAT)
        }
        defer { close(descriptor) }
        let bytes = Array(result.toml.utf8)
        guard unsafe write(descriptor, bytes, bytes.count) == bytes.count else {
            printToStandardError(unsafe "Error: \(output): \(String(cString: strerror(errno)))")
            throw ExitCode(EX_IOERR)
        }
    }
}
