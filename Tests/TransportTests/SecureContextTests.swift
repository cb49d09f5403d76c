import ClarionTransport
import Foundation
import Testing

@Suite("Certificates and keys")
struct SecureContextTests {
    /// A folder with `one.pem`, `one.key`, `two.pem`, `two.key`, made by openssl.
    private final class Folder {
        let path = FileManager.default.temporaryDirectory.appending(path: "clarion-tls-\(UUID().uuidString)").path

        init() throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            for name in ["one", "two"] { try make(name) }
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func make(_ name: String) throws {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/openssl")
            process.arguments = [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=\(name).example", "-keyout", file("\(name).key"), "-out", file("\(name).pem"),
            ]
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }

        func file(_ name: String) -> String { "\(path)/\(name)" }

        func identity(_ certificate: String, _ key: String) -> SecureOptions {
            SecureOptions(identities: [SecureIdentity(certificatePath: file(certificate), keyPath: file(key))])
        }
    }

    private func sentence(_ options: SecureOptions) -> String {
        do throws(SecureError) {
            _ = try SecureContext(options)
            return ""
        } catch {
            return error.description
        }
    }

    @Test("a certificate with its key is taken, and tells when it ends")
    func good() throws {
        let folder = try Folder()
        let context = try SecureContext(folder.identity("one.pem", "one.key"))
        let days = (context.expirySeconds - Int64(Date().timeIntervalSince1970)) / 86_400
        #expect(days >= 28 && days <= 30)
        var both = folder.identity("one.pem", "one.key")
        both.identities += folder.identity("two.pem", "two.key").identities
        #expect(sentence(both) == "")
    }

    @Test("what cannot be used is named, with the reason")
    func bad() throws {
        let folder = try Folder()
        #expect(sentence(folder.identity("one.pem", "two.key")).hasSuffix("the key does not belong to the certificate"))
        #expect(sentence(folder.identity("none.pem", "one.key")).contains("none.pem: the certificate cannot be used"))
        let lost = sentence(folder.identity("one.pem", "none.key"))
        #expect(lost.contains("none.key: the key cannot be used: No such file"))
        #expect(sentence(folder.identity("one.key", "one.key")).contains("one.key: the certificate cannot be used"))
        var stapled = folder.identity("one.pem", "one.key")
        stapled.identities[0].ocspPath = folder.file("one.pem")
        #expect(sentence(stapled).hasSuffix("one.pem: not an OCSP answer in DER"))
        stapled.identities[0].ocspPath = folder.file("none.der")
        #expect(sentence(stapled).contains("none.der: cannot be read: No such file"))
        var asking = folder.identity("one.pem", "one.key")
        asking.clientAuthorityPath = folder.file("one.key")
        #expect(sentence(asking).contains("one.key: the certificates of clients' issuers cannot be used"))
        #expect(sentence(SecureOptions(identities: [])) != "")
    }
}
