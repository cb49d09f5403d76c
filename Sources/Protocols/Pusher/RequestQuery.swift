import ClarionBytes
import ClarionWire

/// The query of a request to the HTTP API, decoded once.
///
/// Invariant: names are in lower case, no two are the same, and they are sorted by their bytes.
struct RequestQuery: ~Copyable {
    /// Where a parameter lies in `text`.
    private struct Parameter {
        let name: Range<Int>
        let value: Range<Int>
    }

    /// Why a query is not accepted.
    enum Fault: Error {
        case unreadable
        case tooManyParameters
        case repeatedParameter
    }

    private var text: ByteBuffer
    private var parameters: [Parameter] = []

    init(_ query: ByteView) throws(Fault) {
        text = ByteBuffer(capacity: max(query.count, 1))
        var query = Query(query)
        while let parameter = query.next() {
            let nameStart = text.count
            if !PercentEncoding.appendDecoded(parameter.name, plusIsSpace: true, to: &text) { throw .unreadable }
            let nameEnd = text.count
            if !PercentEncoding.appendDecoded(parameter.value, plusIsSpace: true, to: &text) { throw .unreadable }
            unsafe RequestQuery.lowercase(text.base + nameStart, count: nameEnd - nameStart)
            parameters.append(Parameter(name: nameStart..<nameEnd, value: nameEnd..<text.count))
        }
        if query.hasTooMany { throw .tooManyParameters }
        let bytes = unsafe text.view.unsafeBuffer
        parameters.sort { unsafe bytes[$0.name].lexicographicallyPrecedes(bytes[$1.name]) }
        for (left, right) in zip(parameters, parameters.dropFirst())
        where unsafe bytes[left.name].elementsEqual(bytes[right.name]) {
            throw .repeatedParameter
        }
    }

    var count: Int { parameters.count }

    func name(at index: Int) -> ByteView { view(parameters[index].name) }

    func value(at index: Int) -> ByteView { view(parameters[index].value) }

    /// The value of the parameter `name` (in lower case), if there is one. Valid as long as the query is.
    func value(_ name: StaticString) -> ByteView? {
        for parameter in parameters where view(parameter.name) == name { return view(parameter.value) }
        return nil
    }

    private func view(_ range: Range<Int>) -> ByteView { text.view.slice(from: range.lowerBound, count: range.count) }

    private static func lowercase(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        for index in 0..<count where unsafe bytes[index] >= 0x41 && bytes[index] <= 0x5A { unsafe bytes[index] |= 0x20 }
    }
}
