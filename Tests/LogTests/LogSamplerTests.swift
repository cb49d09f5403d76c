import Testing

@testable import ClarionLog

@Suite struct LogSamplerTests {
    private let second = LogSampler.intervalNanoseconds

    @Test func theFirstPassesThenOneASecondWithTheCount() {
        let sampler = LogSampler()
        #expect(sampler.admit("a", atNanoseconds: 5) == 0)
        #expect(sampler.admit("a", atNanoseconds: 6) == nil)
        #expect(sampler.admit("a", atNanoseconds: second + 4) == nil)
        #expect(sampler.admit("a", atNanoseconds: second + 5) == 2)
        #expect(sampler.admit("a", atNanoseconds: second * 3) == 0)
    }

    @Test func reasonsDoNotHoldBackEachOther() {
        let sampler = LogSampler()
        #expect(sampler.admit("a", atNanoseconds: 0) == 0)
        #expect(sampler.admit("b", atNanoseconds: 0) == 0)
        #expect(sampler.admit("b", atNanoseconds: 1) == nil)
    }

    @Test func theTableStaysBounded() {
        let sampler = LogSampler()
        for index in 0..<LogSampler.reasonsMax { #expect(sampler.admit("r\(index)", atNanoseconds: 0) == 0) }
        #expect(sampler.admit("one more", atNanoseconds: 0) == 0)
        #expect(sampler.admit("and another", atNanoseconds: 0) == nil)
        #expect(sampler.admit("r0", atNanoseconds: 0) == nil)
    }
}
