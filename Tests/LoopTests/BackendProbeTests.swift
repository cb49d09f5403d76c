import ClarionLoop
import Glibc
import Testing

struct BackendProbeTests {
    @Test
    func saysWhatItFound() throws {
        switch probeUring() {
        case .success(let found):
            #expect(found.contains("deferred task run"))
            // What the probe promises, the backend keeps.
            _ = try Uring(options: BackendOptions(connectionsMax: 16))
        case .failure(let error):
            #expect(throws: LoopError.self) { _ = try Uring(options: BackendOptions(connectionsMax: 16)) }
            #expect(!error.description.isEmpty)
        }
    }

    @Test
    func errorsReadWell() {
        let refused = LoopError.system(call: "io_uring_setup", errno: EPERM)
        #expect(refused.description.contains("kernel.io_uring_disabled"))
        #expect(LoopError.unsupported("x").description == "the kernel lacks x")
    }
}
