import ClarionBytes
import Testing

struct TokenTests {
    @Test
    func keepsItsParts() {
        for operation in [UInt8(0), 1, 127, 255] {
            for generation in [UInt32(0), 1, Token.generationLimit - 1] {
                for slot in [UInt32(0), 1, UInt32.max] {
                    let token = Token(operation: operation, generation: generation, slot: slot)
                    #expect(token.operation == operation && token.generation == generation && token.slot == slot)
                    #expect(Token(raw: token.raw) == token)
                }
            }
        }
    }

    @Test
    func aGenerationBeyondItsBitsIsABug() async {
        await #expect(processExitsWith: .failure) {
            _ = Token(operation: 0, generation: Token.generationLimit, slot: 0)
        }
    }
}
