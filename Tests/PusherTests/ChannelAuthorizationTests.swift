import ClarionBytes
import Testing

@testable import ClarionPusher

@Suite struct ChannelAuthorizationTests {
    private func isValid(
        _ auth: String, _ channel: String, _ channelData: String?, socketNumber: UInt64 = 1234 << 30 | 5678,
        _ application: ApplicationConfiguration = sampleApplication()
    ) -> Bool {
        var scratch = ByteBuffer()
        return withView(auth) { auth in
            withView(channel) { channel in
                withView(channelData ?? "") { data in
                    ChannelAuthorization.isValid(
                        auth, channel: channel, channelData: channelData == nil ? nil : data,
                        socketNumber: socketNumber, Application(application), &scratch)
                }
            }
        }
    }

    @Test(
        arguments: [
            ("private-foo", nil, "d7d4254b75e2b60944b91bc92e916d56da84c4835011f5aa3c59a8e7f6e8b65d"),
            ("private-encrypted-foo", nil, "d64478e9038bf061f1be2049fb8cf5796048b43a0a3d8c4e1361481beddd866b"),
            ("private-cache-foo", nil, "7d9ed75b58814d43fcb0dac6dd8200b9a99e8025f5dad49ec9643c903027df25"),
            ("private-encrypted-cache-foo", nil, "28af27e5243fecc27e0ecd44d0c5ed41691db24164fa0e15a6f75c789047ef00"),
            ("private-my.channel_1@x=2;y,z", nil, "36fc6b8b514ca08011298e85222348477c2252a7e57dd8acafe83095059a6728"),
            (
                "presence-foo", #"{"user_id":"10","user_info":{"name":"Ann"}}"#,
                "a1d0133a82e096619f3e78e5a7798c3e7c0024c88e5d31dd3b23cef2044f0267"
            ),
            (
                "presence-foo", #"{"user_id":"10","user_info":{"name":"Ann"}} "#,
                "656e9af668498c49e3678e8016fd2f4f79a132607a73f95cee3afcce1aecf6e4"
            ),
            (
                "presence-foo", #"{"user_id":10,"user_info":{"name":"Ann"}}"#,
                "2a243eb224044d3a9ca9f99fdbdac420904696df4b81cfb30a1e46a332819ce9"
            ),
            (
                "presence-foo", #"{"user_id":"11","user_info":{"name":"Bob"}}"#,
                "d8c9887263e8d0c02599685221847c7fb73d376f6f520cea850ee39dc9085919"
            ),
            (
                "presence-foo", #"{"user_id":"12","user_info":{"name":"Zoë ☃"}}"#,
                "874e5008bc56c4b1207c0c98c5450d33001c7be8d3283777b69a516c6593945f"
            ),
            (
                "presence-cache-foo", #"{"user_id":"10"}"#,
                "793598e2bfdc57543ae18c5802c15f4b1a4e477224cb7330237688f71c021926"
            ),
            ("private-foo", #"{"extra":1}"#, "61dde3d638e5a530be87ea047353f1cee62e0fd29a67d2a20cb3d65f09d1d6f6"),
        ] as [(String, String?, String)])
    func vectors(_ channel: String, _ channelData: String?, _ signature: String) {
        #expect(isValid("app-key:\(signature)", channel, channelData))
        for wrong in [
            signature, "app-key:", "app-key:\(signature) ", "app-key:\(signature.uppercased())", "app-kez:\(signature)",
            "app-key:\(signature.dropLast())", "app-key:0\(signature.dropFirst())x", ":\(signature)", "",
        ] { #expect(!isValid(wrong, channel, channelData)) }
        #expect(!isValid("app-key:\(signature)", channel + "x", channelData))
        #expect(!isValid("app-key:\(signature)", channel, (channelData ?? "") + "x"))
        #expect(!isValid("app-key:\(signature)", channel, channelData, socketNumber: 1234 << 30 | 5679))
    }

    @Test func vectorOfThePusherDocumentation() {
        let application = ApplicationConfiguration(
            id: "3", key: "278d425bdf160c739803", secret: "7ad3773142a6692b25b8")
        let auth = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        #expect(isValid(auth, "private-foobar", nil, socketNumber: 1234 << 30 | 1234, application))
    }

    @Test func everyChangedByteIsRefused() {
        let right = Array("app-key:d7d4254b75e2b60944b91bc92e916d56da84c4835011f5aa3c59a8e7f6e8b65d".utf8)
        for index in right.indices {
            var wrong = right
            wrong[index] ^= 1
            #expect(!isValid(String(decoding: wrong, as: UTF8.self), "private-foo", nil))
        }
    }
}
