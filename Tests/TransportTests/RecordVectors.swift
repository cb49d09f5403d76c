// Made by Tools/checks/record-vectors with Python's `cryptography`, not by what they test.
import Testing

/// Records of one suite of TLS 1.3, in hex.
struct RecordVectors: CustomTestStringConvertible {
    let name: String
    let suite: UInt16
    let clientSecret: String
    let serverSecret: String
    /// The content of all that hold data.
    let message: String
    /// The server's, with their sequence numbers.
    let numbered: [(UInt64, String)]
    let client: [(Int, String)]
    /// The client's first with 20 zeros behind its type.
    let padded: String
    /// The last 16 bytes of the server's first if it holds 16 384 bytes, each seven times its place.
    let mostTag: String
    /// A client's key update that asks for one, what it is answered with, and the first records of the next keys.
    let update: String
    let updateAnswer: String
    let clientNext: String
    let serverNext: String
    let serverThird: String
    /// The server's key update with the number 2^23.
    let limitUpdate: String
    /// Alerts, as the server's first record.
    let badRecord: String
    let closing: String

    var testDescription: String { name }

    static let all: [RecordVectors] = [
        RecordVectors(
            name: "AES-128-GCM", suite: 0x1301,
            clientSecret: "b96a24774b372deafe77f59ba8f8951c696407480d336667eb94e2aed2ac5d91",
            serverSecret: "845d63993bd9fdc720fa18ff2120d6e385bf554feb6a33703f485e118e4654e1",
            message: "48656c6c6f",
            numbered: [
                (0, "1703030016d18dd82c84296112eeaa4ed7281577bba9d06174c7a0"),
                (1, "1703030016d96da70029df055a3220ee5d3ac3ea846c7ad9065b9e"),
                (255, "1703030016ccefda4ba2659226d13f881faefdf873ade30740df98"),
                (
                    256,
                    "1703030016d58bea342e72513a502383605472792a76b86e27656e"
                ), (65535, "170303001686c58828177d83e7dec9e2f51d69f60ffe8dd0dbb7dc"),
                (65536, "1703030016fad0876c4db2299fd9508d6b8a0b7cc3a8d09296afd4"),
                (
                    4294967295,
                    "17030300167d6d1a98bab989f0d85756a6278a3007444479536184"
                ), (4294967296, "1703030016dbd35e95bb695df8ed7a3b28dca67b53298e56a12686"),
                (72057594037927937, "1703030016b43b3908df10a43e5a50b908d3377c901bf61fbf309c"),
            ],
            client: [
                (0, "17030300164da132d41957e9a0204267cdff465eed962e0a34fd8e"),
                (1, "1703030016806dc1b6ebf60f5d2b147475419d5534445d6cbcfa6b"),
                (255, "1703030016698137314e13b5ebdfa51a8a0d5d1533feb7ce3fea7a"),
                (
                    256,
                    "1703030016bd3f2eb4855d5396354224c4580eb68e804347c465e2"
                ),
            ],
            padded: "170303002a4da132d4195792f32a25c038683775198d2842dd88d0948440e382fecc5a2582c479ac3ec57cd91965fd",
            mostTag: "14f24acd1804246eaf09705700386d02",
            update: "17030300161dc45eb97756a24dd445248f29c6a32840ec725fb6e7",
            updateAnswer: "170303001681e8b441eb288a461f1dc00f644920f29f37bf14645b",
            clientNext: "1703030016d05074b1e352a62ea78bc283366b8b2a51683d04b9b6",
            serverNext: "17030300168498ddae1cf5ade82fda3c7419407b5f596338bd6d57",
            serverThird: "1703030016964583e75d3f0b625bfc1ed4eb8b14e831444a54ba1c",
            limitUpdate: "17030300164225a21854d0c336c5e904f41e69e5aa4737bfa9f1bd",
            badRecord: "17030300139bfca182bc3980d2a9ae22033ea5fd3570e64c",
            closing: "170303001398e8a173b8f0d2a9cba9ef1cac4ba457ea144a"),
        RecordVectors(
            name: "AES-256-GCM", suite: 0x1302,
            clientSecret:
                "795c9a9cf0f033303cf365f81a1db0ba963f3d3eb4032d4fbd4873a81a46292c4caeeb9d331d54eaf7bd245a02b9c6a9",
            serverSecret:
                "b3c94ead69bfd7bb82088baca8ae84fad383adccf7ad46e2c0cdb2de19ebf5d42017238102a6227a08fa9c3521d8f82d",
            message: "48656c6c6f",
            numbered: [
                (0, "1703030016e3de38e7cb96d1c44af3a5442ea9bc76c45ed90c63bf"),
                (1, "1703030016b3aed22c7895ecb2f51808b573de70ba4bce86939c2e"),
                (255, "1703030016dfd04f9b5acd3a46190a1b1d1e74274192d34876b2eb"),
                (
                    256,
                    "170303001621a887c960b56c4e6b0354cea6ce328d81d1795ee0f3"
                ), (65535, "170303001622c756f7ccac0f5e05cd622fe67b0513c9548818116a"),
                (65536, "1703030016c6fe6a32c8e87bb590806c3e679b84d06333f1bcc319"),
                (
                    4294967295,
                    "1703030016b55174e036d67126eec73a21dc99ad82042bd34e8207"
                ), (4294967296, "170303001638422d6411e3321cee16cad802e871c9da5bfea483f3"),
                (72057594037927937, "1703030016f072f4d491b8dfbd870280abf0610d095a57b2f1500d"),
            ],
            client: [
                (0, "170303001612b3e632f2dad9453eb5b9f490509f6c96c8b09125a9"),
                (1, "1703030016675a4c6583c63e49a4cf3582de03c0cab37ae0af88c6"),
                (255, "1703030016d29159133db2eb3117bcf3de36552563e8adcc564bfd"),
                (
                    256,
                    "1703030016ef374e8a01761cffe8ba94e9114e0727e3b030287d21"
                ),
            ],
            padded: "170303002a12b3e632f2da7709e99923d4c23bf468f50626709207d8f2ccfe9eb436f57acf14e112362a5700e81082",
            mostTag: "d193dd9c6f0c03bd869770e094f9f4b5",
            update: "170303001642d68a5f9cdba56d7d5d16a8b659f686dd8d82aba6ce",
            updateAnswer: "1703030016b3bb548aa497ff019aa80d47428099cd7e4f61e29799",
            clientNext: "1703030016612d818bfdfa4dfc7baae3bd7993dbf75ddc6cf2ca78",
            serverNext: "1703030016fd858b918db4489fcba6b9088393a17d00e8aa8c4dac",
            serverThird: "17030300168ac2d1fc04e23b16c5d2de142e88a88ca80bbcf374ae",
            limitUpdate: "1703030016570ebc8e93df024bf154abca76ac61c9be8924ea4cb3",
            badRecord: "1703030013a9af41b6081dcbf97160246fe0e9a1cf57bb1a",
            closing: "1703030013aabb41b0175f15e4df0728b6b799bce40bf09e"),
        RecordVectors(
            name: "ChaCha20-Poly1305", suite: 0x1303,
            clientSecret: "4090cdeb4006490188046b68892de9b383f49d2cfd2e18d0eb11e4bebcfaf773",
            serverSecret: "cfd24e456cbf9dfe28db8ac12dd295500214df76cc78af6e3e9e6dd32a252cbe",
            message: "48656c6c6f",
            numbered: [
                (0, "1703030016105b1487b0bee0cc627b832196cb70615deb81b92b8d"),
                (1, "1703030016d2fd9ac5dbf581b3633114ed7fe5f139eb7705d71d7b"),
                (255, "170303001637ebadc824af7739e55f79db42e6e25f718a3327052a"),
                (
                    256,
                    "170303001682b15eb408f34c8a10497da69fba0431dc4fbea7cb4c"
                ), (65535, "1703030016d2f46c6b5c4689d53e57168d957bcd204ad01e9bf7e8"),
                (65536, "1703030016880155416a1352ee2be82a9c91288dec23422e3689b1"),
                (
                    4294967295,
                    "17030300165eabecb3d79aa3ddb3ddd09a254f37f12f9cee4c872c"
                ), (4294967296, "1703030016c959d9f034cc21c7527e6401b7e7de6594e1f8b02eb6"),
                (72057594037927937, "1703030016a0b72dd9573ce3faf1057540764000948effad43e560"),
            ],
            client: [
                (0, "1703030016edc067b174e7cdfda2457e27cc27a930f013a7b0760a"),
                (1, "17030300165698740cb08ae0f7f3f5ee84077a9c97fa5b0079dfc8"),
                (255, "1703030016d86f66aaaaa0ab929dec285e6dcf7b2348655ec5bb96"),
                (
                    256,
                    "1703030016a3b61a189360d03eb21165248e6da89efa7b7b00b5f5"
                ),
            ],
            padded: "170303002aedc067b174e740d8c576c67580464abcd40fa37e2bbfc3b3638ff3e6498ba34cc5a11a08dc58c297da13",
            mostTag: "ebd6ec08db7f060683b5556fb343314c",
            update: "1703030016bda50bdc1ae6536ae41f6eda542e6aa0028bf601aa6b",
            updateAnswer: "1703030016403e78eadfbf9c5e46daadfd1413fed476ccf3e460db",
            clientNext: "17030300161e6575468d62c52503702c941c6b736449fc10a62fa8",
            serverNext: "1703030016df4822991e6722410f0995564c8a5ab23ddcea6209d0",
            serverThird: "17030300162adb42ce5862dcc1352322b31a162eb4ef1f4da6436d",
            limitUpdate: "170303001688e06bed7e7a0a4df7a35a35bf3eb791fa907352cb9a",
            badRecord: "17030300135a2a6dfb15d7cd7d1255945b0913c62ebed309",
            closing: "1703030013593e6d949c8e1b8be902207122c62543d7ae2d"),
    ]
}
