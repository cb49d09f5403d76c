/// Lines of cells, set in columns for a terminal.
struct TextTable {
    private var rows: [[String]] = []
    /// Columns from this one on stand at the right.
    private let firstRight: Int

    init(firstRight: Int) { self.firstRight = firstRight }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                line += (column == 0 ? "" : "  ") + (column >= firstRight ? space + cell : cell + space)
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
