import ClarionBytes
import ClarionWire
import Testing

@testable import ClarionPusher

@Suite struct PusherFaultTests {
    @Test func dataIsAStringThatHoldsJSON() {
        #expect(
            errorText(.invalidMessage)
                == #"{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}"#)
    }

    @Test(arguments: [
        PusherFault.unknownApplication, .overQuota, .badVersion, .unsupportedVersion, .originRefused, .unauthorized,
        .notMember, .namelessMember, .existingSubscription, .overCapacity, .invalidMessage, .invalidChannelName,
        .serverClosed, .noPong, .inactive, .rateLimited, .clientEventsOff, .encryptedChannel, .eventNameTooLong,
        .tooManyChannels,
    ])
    func textsNeedNoEscapesAndFitACloseFrame(_ fault: PusherFault) {
        var buffer = ByteBuffer()
        JSONWriter.append(string: fault.text, to: &buffer)
        #expect(buffer.view.string == "\"\(ByteView(fault.text).string)\"")
        #expect(ByteView(fault.text).count <= 123)
        withView(errorText(fault)) { message in
            let data = JSON.parse(message)?.member("data")?.string() ?? ""
            let inner = withView(data) { JSON.parse($0)?.member("code")?.integer }
            #expect(inner == Int64(fault.code))
        }
    }
}
