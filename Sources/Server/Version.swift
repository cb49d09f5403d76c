/// The version, as CHANGELOG.md has it.
public let clarionVersion = "0.1.0"
