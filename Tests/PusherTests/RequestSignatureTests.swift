import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct RequestSignatureTests {
    private static let docs = ApplicationConfiguration(
        id: "3", key: "278d425bdf160c739803", secret: "7ad3773142a6692b25b8")

    /// The text of the fault, "" when the request is let in, nil when its query is not accepted.
    private func check(
        _ method: String, _ path: String, _ query: String, body: String = "",
        _ application: ApplicationConfiguration = sampleApplication(), now: Int = 1_700_000_000,
        tolerance: Int? = 600
    ) -> String? {
        withView(query) { queryText in
            guard let query = try? RequestQuery(queryText) else { return nil }
            return withView(method) { method in
                withView(path) { path in
                    withView(body) { body in
                        let fault = RequestSignature.check(
                            method: method, path: path, query: query, body: body, Application(application),
                            unixSeconds: now, toleranceSeconds: tolerance)
                        return fault.map { ByteView($0.text).string } ?? ""
                    }
                }
            }
        }
    }

    private static let base = "auth_key=app-key&auth_timestamp=1700000000&auth_version=1.0"

    @Test(
        arguments: [
            (
                "POST", "/apps/app-id/events", "",
                #"{"name":"my-event","channel":"my-channel","data":"{\"hello\":\"world\"}"}"#,
                "349c71b13ec8d76fc16325f273365ba5", "7496137a76b0f3ca46fa2ca46e4d0aabeb67b5bc32181d60a42aa561a33b3e57"
            ),
            (
                "POST", "/apps/app-id/events", "",
                #"{"name":"my-event","channels":["my-channel","presence-foo"],"data":"{\"hello\":\"world\"}","#
                    + #""socket_id":"1234.5678","info":"user_count,subscription_count"}"#,
                "4a7e995f46a097a42b7d071ebba150af", "03bf6ed30c6d8bbacb3e642f9babce8d7714513ec5d8455e28248bb11e0681f1"
            ),
            (
                "POST", "/apps/app-id/events", "", #"{"name":"my-event","channel":"my-channel","data":"Zoë ☃"}"#,
                "a7f014c9e27770bea26e7f5e2db63891", "8a7e8f7cdaad2d0d1bbf1fa13e5f497122619185c945c44ac0ad50f45c3c327d"
            ),
            (
                "POST", "/apps/app-id/events", "",
                ##"{"name":"hello","channels":["#server-to-user-12345"],"data":"{}"}"##,
                "6ef4d5eaa5bc4ba076094f97b196e888", "93c08bb1f9eb1a361ec1f2a77e90089b4c97d4b15e6ea6b8c9bddeb4c2d98b3a"
            ),
            (
                "POST", "/apps/app-id/events", "",
                #"{"name":"e","channel":"private-encrypted-foo","#
                    + #""data":"{\"nonce\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\","#
                    + #"\"ciphertext\":\"dLcTQDHZP3zX9n619siHJ8ddDE6ZqZWJ+2ohU2lCniFg\"}"}"#,
                "1c427af60d29bb382b9a6b5e51343759", "8e8c0b947cdef6ce03aae41d4d79d603675c5a09dd2c020f2bd35eed23ed69f1"
            ),
            (
                "POST", "/apps/app-id/batch_events", "",
                #"{"batch":[{"name":"e1","channel":"c1","data":"\"a\""},{"name":"e2","channel":"c2","#
                    + #""data":"\"b\"","socket_id":"1234.5678"}]}"#,
                "c111e4e39963840f9aa5c35f13ec91c1", "4d3d0a81459cba52deca805c7dcf5ed054b8c919293a044930f9e3e8c1afd12b"
            ),
            (
                "POST", "/apps/app-id/users/12345/terminate_connections", "", "{}", "99914b932bd37a50b983c5e7c90ae93b",
                "b39235668f1d65441d013d6e3df3c75ac5476d28e06d6b6523c8e08c137f673e"
            ),
            (
                "GET", "/apps/app-id/channels", "", "", "",
                "f5cc9dde83ebbd9328d72e076c2b869cdffad888c45f61285077cfc4ca1eca65"
            ),
            (
                "GET", "/apps/app-id/channels", "", "", "d41d8cd98f00b204e9800998ecf8427e",
                "6a2f213f5ea86fd2cc8f4e738bac95efd868e894a2ab76d0e89393b2999b70ad"
            ),
            (
                "GET", "/apps/app-id/channels", "info=subscription_count", "", "",
                "f451efbdce56100e91f6ca02d5d8944e980d6cee48824595dcf28086b374d7b9"
            ),
            (
                "GET", "/apps/app-id/channels", "filter_by_prefix=presence-&info=user_count", "", "",
                "fd5a1b38d92aee2b7913a8cf43136cffab888ee5a097536910d6239f08eb68a2"
            ),
            (
                "GET", "/apps/app-id/channels/my-channel", "info=subscription_count", "", "",
                "4cbf92a410510162999714aea50fa5c0ac6947fd883c0f85f9cca4692d2a4df6"
            ),
            (
                "GET", "/apps/app-id/channels/cache-foo", "info=subscription_count%2Ccache", "", "",
                "c946bedb69f1be2667e99226bbeef7c975de642b42696a5b29f1554dbcda097d"
            ),
            (
                "GET", "/apps/app-id/channels/presence-foo", "info=user_count,subscription_count", "", "",
                "e414a945fd4390cd22351320b45928b9b3a553dc327503f85f6ae17e35a5c8a8"
            ),
            (
                "GET", "/apps/app-id/channels/presence-foo/users", "", "", "",
                "6da105416158b9b1fffe7b69d4f7522af3d1fa564132afc0fef5e8928d067d90"
            ),
            (
                "GET", "/apps/app-id/connections", "", "", "",
                "df5ef5cccc6021bf3b948739cba19a31a3e90ac3185c64e1dfdf44efc377f4b2"
            ),
        ] as [(String, String, String, String, String, String)])
    func vectors(_ method: String, _ path: String, _ extra: String, _ body: String, _ md5: String, _ signature: String)
    {
        var query = RequestSignatureTests.base + (extra.isEmpty ? "" : "&" + extra)
        if !md5.isEmpty { query += "&body_md5=" + md5 }
        let signed = query + "&auth_signature=" + signature
        #expect(check(method, path, signed, body: body) == "")
        // The order of parameters and the case of their names do not count.
        let turned = signed.split(separator: "&").reversed().joined(separator: "&")
        #expect(check(method, path, turned, body: body) == "")
        #expect(check(method, path, signed.replacing("auth_key", with: "Auth_KEY"), body: body) == "")
        // Everything else does.
        #expect(check(method, path, signed, body: body + " ") != "")
        #expect(check(method, path + "/", signed, body: body) != "")
        #expect(check(method.lowercased(), path, signed, body: body) != "")
        #expect(check(method, "/ws" + path, signed, body: body) != "")
        #expect(check(method, path, signed + "&more=1", body: body) != "")
        #expect(check(method, path, query, body: body) != "")
        #expect(check(method, path, query + "&auth_signature=" + signature.uppercased(), body: body) != "")
        #expect(check(method, path, query + "&auth_signature=" + signature.dropLast(), body: body) != "")
        #expect(check(method, path, signed + "&auth_signature=" + signature, body: body) == nil)
    }

    @Test func vectorOfThePusherDocumentation() {
        let query =
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0"
            + "&body_md5=ec365a775a4cd0599faeb73354201b6f"
            + "&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        let body = #"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#
        let docs = RequestSignatureTests.docs
        #expect(check("POST", "/apps/3/events", query, body: body, docs, now: 1_353_088_179) == "")
        #expect(check("POST", "/apps/3/events", query, body: body, docs, tolerance: nil) == "")
        #expect(check("POST", "/apps/3/events", query, body: body, docs)?.contains("auth_timestamp") == true)
    }

    private static let get =
        base + "&auth_signature=f5cc9dde83ebbd9328d72e076c2b869cdffad888c45f61285077cfc4ca1eca65"

    @Test(arguments: [(-600, true), (600, true), (-601, false), (601, false)])
    func timestampTolerance(_ offset: Int, _ isIn: Bool) {
        let fault = check("GET", "/apps/app-id/channels", RequestSignatureTests.get, now: 1_700_000_000 + offset)
        #expect((fault == "") == isIn)
    }

    @Test(arguments: ["", "x", "-1", "1e9", "99999999999999999999", "1700000000.0", "+1700000000"])
    func timestampsThatAreNone(_ timestamp: String) {
        let query = RequestSignatureTests.get.replacing("1700000000", with: timestamp)
        #expect(check("GET", "/apps/app-id/channels", query)?.contains("auth_timestamp") == true)
    }

    @Test func saysWhatIsWrong() {
        let get = RequestSignatureTests.get
        func fault(_ query: String, body: String = "") -> String {
            check("GET", "/apps/app-id/channels", query, body: body) ?? "nil"
        }
        #expect(fault(get.replacing("app-key", with: "key-two")).contains("auth_key"))
        #expect(fault(get.replacing("version=1.0", with: "version=2.0")).contains("auth_version"))
        #expect(fault(get, body: "{}").contains("body_md5"))
        #expect(fault(get + "&body_md5=00000000000000000000000000000000").contains("body_md5"))
        #expect(fault("") == "Authentication signature invalid.")
    }

    @Test func otherSecretsDoNotPass() {
        var other = sampleApplication()
        other.secret = "app-secreu"
        #expect(check("GET", "/apps/app-id/channels", RequestSignatureTests.get, other) != "")
    }
}
