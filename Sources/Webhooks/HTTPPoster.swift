#if Webhooks
    import AsyncHTTPClient
    import ClarionWire
    import Glibc
    import NIOCore
    import NIOHTTP1
    import NIOPosix
    import Synchronization

    /// Sends requests over HTTP/1.1, and decides for itself where a host's name leads.
    ///
    /// A name is resolved here, its addresses are judged, and the connection is pinned to one that passed: what is
    /// checked is what is connected to, also when the name leads elsewhere a moment later. Redirects are not followed.
    /// Of an answer only the status counts; at most `WebhookLimits.answerBytesMax` bytes of its body are read.
    public final class HTTPPoster: WebhookPoster {
        private struct Pinned {
            let client: HTTPClient
            let address: IPAddress
            let resolvedAt: NIODeadline
        }

        /// Threads, made when the first request goes out.
        private struct Threads {
            let group: MultiThreadedEventLoopGroup
            let resolver: NIOThreadPool
        }

        private struct State {
            var threads: Threads?
            /// Clients by host; each connects to one address only.
            var pinned: [String: Pinned] = [:]
        }

        private let state = Mutex(State())
        private let userAgent: String

        /// How long an address is taken for a host's without asking again.
        private static let resolutionSeconds: Int64 = 30
        private static let connectSeconds: Int64 = 5
        /// Hosts whose clients are kept.
        private static let hostsMax = 1_024

        /// - Parameter userAgent: tells receivers who calls: "clarion/1.0".
        public init(userAgent: String) { self.userAgent = userAgent }

        private var threads: Threads {
            state.withLock { state in
                if let threads = state.threads { return threads }
                let made = Threads(
                    group: MultiThreadedEventLoopGroup(numberOfThreads: 1), resolver: NIOThreadPool(numberOfThreads: 2))
                made.resolver.start()
                state.threads = made
                return made
            }
        }

        public func post(
            _ request: WebhookRequest, timeoutSeconds: Int, addresses: AddressRules
        ) async -> WebhookOutcome {
            let deadline = NIODeadline.now() + .seconds(Int64(timeoutSeconds))
            do {
                let client = try await client(for: request.url.host, addresses)
                var outgoing = HTTPClientRequest(url: request.url.description)
                outgoing.method = .POST
                for header in request.headers { outgoing.headers.add(name: header.name, value: header.value) }
                outgoing.headers.replaceOrAdd(name: "User-Agent", value: userAgent)
                outgoing.body = .bytes(request.body)
                let response = try await client.execute(outgoing, deadline: deadline)
                try await skim(response)
                let status = Int(response.status.code)
                return (200..<300).contains(status) ? .confirmed : .status(status)
            } catch let refusal as Refusal {
                switch refusal {
                case .address: return .addressRefused
                case .unresolved(let text): return .unreachable(text)
                }
            } catch let error as HTTPClientError where Self.timeouts.contains(error) {
                return .timedOut
            } catch {
                return .unreachable(Self.text(error))
            }
        }

        public func close() async {
            let (clients, threads) = state.withLock { state in
                defer { state = State() }
                return (state.pinned.values.map(\.client), state.threads)
            }
            for client in clients { try? await client.shutdown() }
            try? await threads?.group.shutdownGracefully()
            try? await threads?.resolver.shutdownGracefully()
        }

        private enum Refusal: Error {
            /// No address of the host may be called.
            case address
            case unresolved(String)
        }

        private static let timeouts: [HTTPClientError] = [
            .deadlineExceeded, .readTimeout, .connectTimeout, .getConnectionFromPoolTimeout, .writeTimeout,
        ]

        /// The type of an error and its short text; never what the peer sent.
        private static func text(_ error: any Error) -> String {
            let text = "\(error)"
            return text.utf8.count <= 200 ? text : "\(type(of: error))"
        }

        /// Reads so much of an answer that a small one leaves its connection usable; a larger one is cut off.
        private func skim(_ response: HTTPClientResponse) async throws {
            var count = 0
            for try await part in response.body {
                count += part.readableBytes
                if count > WebhookLimits.answerBytesMax { return }
            }
        }

        // MARK: Where a host leads

        private func client(for host: String, _ rules: AddressRules) async throws -> HTTPClient {
            let known = state.withLock { $0.pinned[host] }
            let isFresh = known.map { NIODeadline.now() - $0.resolvedAt < .seconds(Self.resolutionSeconds) } ?? false
            if let known, isFresh, rules.permits(known.address) { return known.client }
            let found = try await resolve(host)
            let permitted = found.filter { rules.permits($0) }
            guard let first = permitted.first else { throw Refusal.address }
            // The address that is in use stays as long as it is one of the host's.
            let address = known.flatMap { permitted.contains($0.address) ? $0.address : nil } ?? first
            let client: HTTPClient
            if let known, known.address == address { client = known.client } else { client = make(host, address) }
            let replaced = state.withLock { state -> [HTTPClient] in
                var replaced: [HTTPClient] = []
                if let old = state.pinned[host], old.client !== client { replaced.append(old.client) }
                if state.pinned[host] == nil, state.pinned.count >= Self.hostsMax,
                    let oldest = state.pinned.min(by: { $0.value.resolvedAt < $1.value.resolvedAt })
                {
                    state.pinned[oldest.key] = nil
                    replaced.append(oldest.value.client)
                }
                state.pinned[host] = Pinned(client: client, address: address, resolvedAt: .now())
                return replaced
            }
            for old in replaced { Task { try? await old.shutdown() } }
            return client
        }

        private func make(_ host: String, _ address: IPAddress) -> HTTPClient {
            var configuration = HTTPClient.Configuration(
                redirectConfiguration: .disallow,
                timeout: HTTPClient.Configuration.Timeout(connect: .seconds(Self.connectSeconds)),
                decompression: .disabled)
            // Certificates are still those of the name.
            configuration.dnsOverride = [host: address.description]
            configuration.httpVersion = .http1Only
            configuration.connectionPool.retryConnectionEstablishment = false
            return HTTPClient(eventLoopGroup: threads.group, configuration: configuration)
        }

        private func resolve(_ host: String) async throws -> [IPAddress] {
            if let address = IPAddress(host) { return [address] }
            return try await threads.resolver.runIfActive { try Self.lookUp(host) }
        }

        private static func lookUp(_ host: String) throws -> [IPAddress] {
            var hints = unsafe addrinfo()
            unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            let result = unsafe getaddrinfo(host, nil, &hints, &list)
            guard result == 0 else { throw Refusal.unresolved(unsafe String(cString: gai_strerror(result))) }
            defer { unsafe freeaddrinfo(list) }
            var found: [IPAddress] = []
            var next = unsafe list
            while let entry = unsafe next {
                if let address = unsafe address(entry.pointee), !found.contains(address) { found.append(address) }
                unsafe next = unsafe entry.pointee.ai_next
            }
            return found
        }

        private static func address(_ entry: addrinfo) -> IPAddress? {
            guard let raw = unsafe UnsafeRawPointer(entry.ai_addr) else { return nil }
            switch unsafe entry.ai_family {
            case AF_INET:
                var address = unsafe raw.loadUnaligned(as: sockaddr_in.self).sin_addr
                return unsafe withUnsafeBytes(of: &address) { unsafe IPAddress(bytes: Array($0)) }
            case AF_INET6:
                var address = unsafe raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
                return unsafe withUnsafeBytes(of: &address) { unsafe IPAddress(bytes: Array($0)) }
            default: return nil
            }
        }
    }
#endif
