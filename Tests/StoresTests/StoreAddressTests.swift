import ClarionStores
import Testing

@Suite struct StoreAddressTests {
    @Test func addressesAreRead() throws {
        #expect(StoreAddress("sqlite:a.db") == .sqlite(path: "a.db"))
        #expect(StoreAddress("sqlite:///var/lib/a.db") == .sqlite(path: "/var/lib/a.db"))
        #expect(StoreAddress("postgresql://u:p@h/d") == .postgres(url: "postgresql://u:p@h/d"))
        guard case .redis(let redis) = StoreAddress("redis://user:p%40ss@h.example:7000/3") else {
            return #expect(Bool(false))
        }
        #expect(redis.host == "h.example" && redis.port == 7000 && redis.database == 3)
        #expect(redis.user == "user" && redis.password == "p@ss")
        guard case .redis(let short) = StoreAddress("redis://[::1]") else { return #expect(Bool(false)) }
        #expect(short.host == "::1" && short.port == 6379 && short.database == 0 && short.password.isEmpty)
    }

    @Test(arguments: [
        "", "mysql://h", "sqlite:", "redis://", "redis://h:0", "redis://h:x", "redis://h/x", "redis://u@h",
        "redis://:%zz@h",
    ])
    func othersAreNot(_ text: String) { #expect(StoreAddress(text) == nil) }

    @Test(arguments: ["postgresql://u:marker@h:5432/d?password=marker", "redis://:marker@h", "redis://u:marker@h:1/2"])
    func secretsAreNotShown(_ text: String) throws {
        let address = try #require(StoreAddress(text))
        #expect(!address.shown.contains("marker") && address.shown.contains("h"))
        let application = StoredApplication(id: "a", key: "k", secret: "marker")
        #expect(!"\(application) \(String(reflecting: application))".contains("marker"))
    }
}
