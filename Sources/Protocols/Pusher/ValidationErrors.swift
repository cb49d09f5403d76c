import ClarionBytes

/// What is wrong with the body of a request, field by field, in the words of Laravel's validator.
struct ValidationErrors: ~Copyable {
    private var json = ByteBuffer()

    /// Field names begin with this: "batch.0.".
    var prefix = ""

    var isEmpty: Bool { json.isEmpty }

    /// The body of the answer (422).
    mutating func finish() -> [UInt8] {
        json.append("}")
        return json.view.array
    }

    /// "The {field} field {complaint}."
    mutating func add(_ field: StaticString, _ complaint: StaticString) {
        json.append(json.isEmpty ? "{" : ",")
        json.append("\"")
        json.append(prefix)
        json.append(field)
        json.append(#"":["The "#)
        json.append(prefix)
        json.append(field)
        json.append(" field ")
        json.append(complaint)
        json.append(#"."]"#)
    }
}
