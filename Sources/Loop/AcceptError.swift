// What a failed accept means, for both backends.

import Glibc

/// What to do after an accept that failed.
enum AcceptFailure {
    /// The connection died in the queue, the network had a word, or we cancelled: take the next one.
    case ignore
    /// The process, the system or the table is full: rest, then go on.
    case rest

    /// `result` is -errno. Linux hands errors of the new connection over by accept(2): those are nobody's fault here.
    init(result: Int32) {
        switch -result {
        case ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET, ENOPROTOOPT,
            EOPNOTSUPP, ETIMEDOUT, EINTR, ECANCELED:
            self = .ignore
        default:
            self = .rest
        }
    }
}
