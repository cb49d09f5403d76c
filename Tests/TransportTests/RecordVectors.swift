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

/// Records of one suite of TLS 1.2, in hex. Each side's first was its Finished.
struct Record12Vectors: CustomTestStringConvertible {
    let name: String
    let suite: UInt16
    /// Bytes of the nonce that a record carries.
    let carriedBytes: Int
    /// What the server's Finished carried of its nonce.
    let firstNonce: UInt64
    let master: String
    let clientRandom: String
    let serverRandom: String
    /// The content of all that hold data.
    let message: String
    /// The server's, with their sequence numbers.
    let numbered: [(UInt64, String)]
    /// The client's first and second.
    let client: String
    let clientNext: String
    /// The client's first, if it is another hello or the end.
    let clientHello: String
    let clientClosing: String
    /// The last 16 bytes of the server's first if it holds 16 384 bytes, each seven times its place.
    let mostTag: String
    /// Alerts, as the server's first record.
    let noRenegotiation: String
    let badRecord: String
    let closing: String

    var testDescription: String { name }

    static let all: [Record12Vectors] = [
        Record12Vectors(
            name: "ECDHE-ECDSA-AES128-GCM-SHA256", suite: 0xC02B, carriedBytes: 8, firstNonce: 18446744073709551614,
            master: "30b637eba131cf8f1f3d37d0dc4c36e7f4a7afb0143147b37755332c950191a839f00979aa363af3db5fcc0e6d722a2b",
            clientRandom: "347d96d80aa5c49b2f66a00bfb554d58dc1d16c52d0dfcb75acc2f3c5982f779",
            serverRandom: "ef8ec2dbb38fb2ce610bde962cfcc46f6f3814aad23829518b26bb75143b8ec4",
            message: "48656c6c6f",
            numbered: [
                (1, "170303001dffffffffffffffff8396e2f2e8457029a645a2c76d31c81eaa11ace8ca"),
                (2, "170303001d000000000000000007fff37047668c4e7f9c9c61f1dbc13ff8b2bb555b"),
                (
                    255,
                    "170303001d00000000000000fdc94cf54ed7576f3c609b828deb91fd931bb3b4c74f"
                ), (256, "170303001d00000000000000fefa4bf7af5e2b91ea72532505b4248361c2f4ccce6d"),
                (
                    65536,
                    "170303001d000000000000fffee703fa6a7c4d96e061a839456acef8dcfeb3a363df"
                ), (4294967295, "170303001d00000000fffffffdbbe1d047e4105a83619e1a1d3da7d00a1e630c95fb"),
                (
                    4294967296,
                    "170303001d00000000fffffffea9f2b6947aeac2a3be7a40f2f8c94f95e2d209c9a4"
                ),
            ],
            client: "170303001d0123456789abcdef0e235c9da9b45471ab38ebef037a654d79b9ba3845",
            clientNext: "170303001d00000000000000071c75be531fdf629d2d91beb1f941c7a48dd726f6f8",
            clientHello: "160303001c00000000000000003d8929c4b1064b77f52956cd8c3bb7686979f357",
            clientClosing: "150303001a00000000000000003d8973a871d4f0a6998dade7e86997aa6011",
            mostTag: "3824f4d610856b4ccd587a33d2ace100",
            noRenegotiation: "150303001affffffffffffffffca976e33ed90714dcd1b403f432bf230915b",
            badRecord: "150303001affffffffffffffffc9e77558afb1a640de02fec64cc6347664b3",
            closing: "150303001affffffffffffffffcaf359107b2341851dac6044da8034f32684"),
        Record12Vectors(
            name: "ECDHE-RSA-AES128-GCM-SHA256", suite: 0xC02F, carriedBytes: 8, firstNonce: 18446744073709551614,
            master: "eeb75aa89e97827d3dfd87c2faca693bbc5a46ceb912dadee55bd6ecbdba15fbb6c2d95bc26c9b1aa642da5790330832",
            clientRandom: "3988b163738026504f383941e3528665ac40fbad713e517d27c6e4b2d7a5b547",
            serverRandom: "c03a66b9409ddf7b4c737f536bbd3cdbbce8e36ca4f20a4577580152d2d45fb4",
            message: "48656c6c6f",
            numbered: [
                (1, "170303001dffffffffffffffff7e2b14e4619d04ca837ae8e0fb65f77e224631f410"),
                (2, "170303001d000000000000000007cd31a30bcfba680bd60a1067488f0a25a7e895a4"),
                (
                    255,
                    "170303001d00000000000000fdb433f69ef1707b6a3f33fe7ac5db436b8db8627128"
                ), (256, "170303001d00000000000000fea87f0bee7f40c26cf9e83510af823e09b57f24901b"),
                (
                    65536,
                    "170303001d000000000000fffe26600574d240cd2f414d6904773325439242be0db7"
                ), (4294967295, "170303001d00000000fffffffd9e084be932e7bfec0dc70e1b13127d43d6c2c87e73"),
                (
                    4294967296,
                    "170303001d00000000fffffffeec6feb98619a51690d0b380a1141faf780b9c30a94"
                ),
            ],
            client: "170303001d0123456789abcdef9e7a1adcbf98159d03261754bcccf3cb801c0c27ec",
            clientNext: "170303001d000000000000000705fe1acb02fd06f43b458cea82b21f1c08a226824f",
            clientHello: "160303001c000000000000000003b5647235141a955f234bf16041984e08024bd0",
            clientClosing: "150303001a000000000000000003b59dd17c41ca0eb9b8a613357c88b2a556",
            mostTag: "d8c8876afa1986b61d5a064c3c64ec9a",
            noRenegotiation: "150303001affffffffffffffff372aa0fc1580ef8965378cef00dfc56f29fa",
            badRecord: "150303001affffffffffffffff345acacf3a5cbf661ee71a47c70c8eda2252",
            closing: "150303001affffffffffffffff374efa1b069d487e251223b47b3983f7ac1c"),
        Record12Vectors(
            name: "ECDHE-ECDSA-AES256-GCM-SHA384", suite: 0xC02C, carriedBytes: 8, firstNonce: 18446744073709551614,
            master: "a3b3b247565796f091790c41ffb977bc18a7c715e05269e8c40c6be8e9e7b55fee90a0d12e00a38e3e895f6e803d63f3",
            clientRandom: "fb1224654b1ee2af663c67db9282996ddd6c36f31c7b8e49755ca76a12134aa3",
            serverRandom: "a63bac32c6d9e1ab8cfbce2ea0aa4081b2abe076f61dd4d530e50b77d01d9859",
            message: "48656c6c6f",
            numbered: [
                (1, "170303001dffffffffffffffffc0b7c178899febe6f9d47616fc9464decb4b5a5b84"),
                (2, "170303001d0000000000000000cd6be860dd223b364dac1e7524368cd2d95d70a36d"),
                (
                    255,
                    "170303001d00000000000000fdeaa6a0c896cca469c2434cd6d0d9bbac2fa7b1dce2"
                ), (256, "170303001d00000000000000fe518f47c866e0b026cd184cfa164a4da80fa71430e1"),
                (
                    65536,
                    "170303001d000000000000fffe000f870e22365be8ffcaa608acda2e28ac9fdc642b"
                ), (4294967295, "170303001d00000000fffffffdf42f05758fb7324a24193d57e7bb0f45634c8f6b78"),
                (
                    4294967296,
                    "170303001d00000000fffffffe9ab466ca9e2f65a58409d5962a08e02963ed88847a"
                ),
            ],
            client: "170303001d0123456789abcdef12c234125a1a62a9ccfe42f7f217b6cd464320fb66",
            clientNext: "170303001d0000000000000007bf3f011ad90a430e8499f0df03db37b40782080131",
            clientHello: "160303001c000000000000000006e322d1b08d8c7516735b434e563d78f75fe5a3",
            clientClosing: "150303001a000000000000000006e304f4081cfdd1ee412ab503103f43cc58",
            mostTag: "8624144aac1bd1b0925cea316ea99ad1",
            noRenegotiation: "150303001affffffffffffffff89b6a0fe815c002ec5bc5e425046ebb712ea",
            badRecord: "150303001affffffffffffffff8ac65ebe6d1f2c4d3d726cd84dd27d30af34",
            closing: "150303001affffffffffffffff89d25c65908a947ba15d5f98f8bc7d57f652"),
        Record12Vectors(
            name: "ECDHE-RSA-AES256-GCM-SHA384", suite: 0xC030, carriedBytes: 8, firstNonce: 18446744073709551614,
            master: "ebc94abdcf684c86a1686f38dcc2d679a19be093b86e717c89451b9b28bc1ab08a60d40a87fdee4db2c9a9a2a21c2436",
            clientRandom: "d88e0870aae876bf941dd535cb8f9371bc329f9d41808c3227094c0c6b364523",
            serverRandom: "98857eb6bfe49dd5f58096b419abf22fb9655ec4a2d84dcbab4ac8f220c0d73d",
            message: "48656c6c6f",
            numbered: [
                (1, "170303001dffffffffffffffffd0fd07a26daada87d62dfb094a2e19ec360b7808d1"),
                (2, "170303001d0000000000000000012040a538e66b56fb476361f1ca73e31ca6c68256"),
                (
                    255,
                    "170303001d00000000000000fd7656740f167a7be4adfa458ca53b31115f3b60eae1"
                ), (256, "170303001d00000000000000fe3abf2c070cd95448be84382e1442b1fa08dab68f79"),
                (
                    65536,
                    "170303001d000000000000fffef815fa60ba95ad0ff27a04d9b2cdca011277bb9c61"
                ), (4294967295, "170303001d00000000fffffffd3dd0b02b3d36f45f19350dc2325173b8f646754172"),
                (
                    4294967296,
                    "170303001d00000000fffffffeb8eb8fffc2a9eaa131fae822e516460880d958e2a1"
                ),
            ],
            client: "170303001d0123456789abcdef7873ea47f49d1cd5a0ac8592c829c34be156e012c2",
            clientNext: "170303001d0000000000000007408b72f2f63d9a4f9de7ef230c4e0494cf4645f922",
            clientHello: "160303001c00000000000000002254f4719200524ae8d5958a72b29730a3e4eacc",
            clientClosing: "150303001a00000000000000002254d817696c5f66bdce084cc71ddba23d5f",
            mostTag: "3a271b822cc552d415918b726d87cf3e",
            noRenegotiation: "150303001affffffffffffffff99fcd0a6b4e785de250d03505ca7fb20e4e9",
            badRecord: "150303001affffffffffffffff9a8c5c2cf94fcc1f904ec936f370da721711",
            closing: "150303001affffffffffffffff9998515241d7e2c9215f25f6f3644b981921"),
        Record12Vectors(
            name: "ECDHE-ECDSA-CHACHA20-POLY1305", suite: 0xCCA9, carriedBytes: 0, firstNonce: 18446744073709551614,
            master: "00074d8baebb3dfbc7b828d8f1385c7c37411f3723702204aa4985576a46d2a2e11653440f5ca8c845516be5c8ad30da",
            clientRandom: "e19d9ff1d442e4f443084c9a3bcf39231a9dde1134a8c9db73098ee62381cff5",
            serverRandom: "a05ba31cb0b949b30bbc2d52d8e834dc899cf29e52120207cb950c6fadfb93a7",
            message: "48656c6c6f",
            numbered: [
                (1, "17030300157c3bf1be6a6354ba112af796d93d418689aa10a965"),
                (2, "17030300153d886e471ea19812f3f1c0c226dc62e98976ad9020"),
                (255, "1703030015115073dd7032b2e7cf2766d8f0492d8632acb6e62b"),
                (
                    256,
                    "1703030015eb2832f9968b930e725c0215f4224bf8fa155d2c5e"
                ), (65536, "1703030015873d4dacd160de91c7db83f699a7f56372bc7a537a"),
                (4294967295, "17030300153b77c2cae965dd3ee9cb1bb12ec29e0440dc5a87ad"),
                (
                    4294967296,
                    "17030300159b703c55da2d475f33492308b49c8462564b2b41cf"
                ),
            ],
            client: "1703030015712e5d1f57acb76205bbdb313d477797ff4b442e20",
            clientNext: "1703030015c2b32f6b56299dc8beaaa507546de03e065e9646ad",
            clientHello: "1603030014384b31735f83f6ba3048b41fa7108acbec51bc0e",
            clientClosing: "1503030012384b5dc3c7b210555c913497470ae156ead9",
            mostTag: "cfb3f928caaa32fec1d211c4df74e5a1",
            noRenegotiation: "1503030012353a28c2d8f1350397d52b318a5fe26c49c0",
            badRecord: "1503030012364a64eddf0296da04e1cbb64ea79a9f1696",
            closing: "1503030012355e89d5b6128d13db06b33f6ce1dbbe4b76"),
        Record12Vectors(
            name: "ECDHE-RSA-CHACHA20-POLY1305", suite: 0xCCA8, carriedBytes: 0, firstNonce: 18446744073709551614,
            master: "263e3e64e8c0311ec159de8071cd4364897fb1d7c43f8b7f4be938f1b9fe4b7bbe318ca28f0bbbb33d995e105a00bb1c",
            clientRandom: "50fc676eb4136cf4c73a991af56f6f4a7d914150a3fb28ce13e613a5625673f8",
            serverRandom: "ecce27d50234090d68683bec9408d405129f8c0a75e9ef39abcc2d1eeedecb37",
            message: "48656c6c6f",
            numbered: [
                (1, "1703030015082570688bc0fe6d47ae08731add61c4dfef801d08"),
                (2, "1703030015df1475e04704cadd7e10e2c06df694253ec617b6ec"),
                (255, "1703030015361fb2e9e6d09e57c94efc4fcb3b4970e2e10f6c9d"),
                (
                    256,
                    "170303001597f77c8b31512a98ead87a7bf6e8411e6e9ec4ace0"
                ), (65536, "17030300152863693ec02623179033942038e21ab3fc50302ac2"),
                (4294967295, "170303001584fdc79c39ba5348fd2672efa96c098b1994a8f8e5"),
                (
                    4294967296,
                    "17030300159b5cca9d55aa88f12b25c43bbdf222662321de5a17"
                ),
            ],
            client: "17030300153f49f422bfa70290e14bbf45f89d74b54e71381cae",
            clientNext: "1703030015fba4b39846c73ec69d79d62154d421fddd504772c5",
            clientHello: "1603030014762c984e771766e6aeaf9a505df4ed2d0902faf1",
            clientClosing: "1503030012762c54be1a5bc8f2bbbf689c84804eaf5e65",
            mostTag: "3c3da732baedf2d6acc051fb92e7f619",
            noRenegotiation: "15030300124124f839537e668cbf994e4e8d0397343e81",
            badRecord: "150303001242545b8bbf0d9369ad5b64f9cbb860d72349",
            closing: "150303001241407de440c769ce8f910de1bf6290826dc0"),
    ]
}
