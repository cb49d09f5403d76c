/// The style of the page to try a node: light or dark as the system says, one column on a telephone.
let tryPageStyle = """
    :root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #17202b; --soft: #5c6875; --line: #d9dfe6;
      --mark: #0b62c4; --on-mark: #fff; --good: #17864a; --bad: #c0392b; --wait: #a96a00; --row: #f0f4f8; }
    @media (prefers-color-scheme: dark) { :root { --paper: #0f141a; --card: #171e26; --ink: #e5ebf1; --soft: #93a1b0;
      --line: #2a3541; --mark: #5aa9ff; --on-mark: #08121d; --good: #4cc582; --bad: #ff7b6b; --wait: #e2a53c;
      --row: #1c2530; } }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
    main { max-width: 1080px; margin: 0 auto; padding: 20px 16px 32px; display: grid; gap: 14px;
      grid-template-columns: 330px minmax(0, 1fr); align-items: start; }
    header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: baseline; }
    h1 { font-size: 22px; margin: 0; letter-spacing: -0.01em; }
    h2 { font-size: 13px; margin: 0 0 10px; color: var(--soft); font-weight: 600; }
    .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px; min-width: 0; }
    .side { display: grid; gap: 14px; }
    label { display: block; font-size: 13px; color: var(--soft); margin-bottom: 8px; }
    input, textarea, button { font: inherit; border-radius: 7px; border: 1px solid var(--line); }
    input, textarea { width: 100%; padding: 7px 9px; margin-top: 3px; background: var(--paper); color: var(--ink); }
    input { font-size: 15px; }
    textarea { min-height: 64px; resize: vertical; font: 13px/1.4 ui-monospace, monospace; }
    button { padding: 7px 12px; background: var(--mark); color: var(--on-mark); border-color: transparent;
      font-weight: 600; cursor: pointer; }
    button.quiet { background: transparent; color: var(--ink); border-color: var(--line); font-weight: 500; }
    button[aria-pressed="true"] { background: var(--mark); color: var(--on-mark); border-color: transparent; }
    button:disabled { opacity: 0.45; cursor: default; }
    :focus-visible { outline: 2px solid var(--mark); outline-offset: 1px; }
    .pair { display: flex; gap: 8px; align-items: flex-end; }
    .pair label { flex: 1; margin: 0; }
    .state { display: inline-flex; align-items: center; gap: 7px; font-weight: 600; }
    .state::before { content: ""; width: 9px; height: 9px; border-radius: 50%; background: var(--wait); }
    .state[data-state="connected"]::before { background: var(--good); }
    .state[data-state="stopped"]::before { background: var(--bad); }
    .soft { color: var(--soft); font-size: 13px; margin: 0; overflow-wrap: anywhere; }
    .note { margin-top: 10px; }
    ul { list-style: none; margin: 10px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 6px; }
    li { display: inline-flex; align-items: center; gap: 6px; padding: 2px 4px 2px 10px; border: 1px solid var(--line);
      border-radius: 99px; font-size: 13px; max-width: 100%; overflow-wrap: anywhere; }
    li[data-waiting="true"] { opacity: 0.6; }
    li button { padding: 0 7px; background: none; color: var(--soft); border: 0; }
    .numbers { display: flex; flex-wrap: wrap; gap: 6px 26px; align-items: flex-end; }
    .numbers b { display: block; color: var(--ink); font-size: 22px; font-weight: 650;
      font-variant-numeric: tabular-nums; line-height: 1.2; }
    .numbers svg { flex: 1 1 120px; min-width: 0; height: 38px; }
    .numbers polyline { fill: none; stroke: var(--mark); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
    .log { margin-top: 12px; border-top: 1px solid var(--line); max-height: 62vh; min-height: 220px; overflow-y: auto;
      font: 12.5px/1.5 ui-monospace, monospace; }
    .log div { display: grid; grid-template-columns: 92px minmax(80px, 190px) minmax(0, 1fr); gap: 0 12px;
      padding: 4px 6px; border-bottom: 1px solid var(--line); }
    .log div:nth-child(even) { background: var(--row); }
    .log span { overflow-wrap: anywhere; }
    .log .time { color: var(--soft); }
    .log .own .what { color: var(--mark); }
    .log .fault .what { color: var(--bad); }
    @media (max-width: 760px) {
      main { grid-template-columns: minmax(0, 1fr); padding: 14px 12px 24px; }
      .log div { grid-template-columns: 92px minmax(0, 1fr); }
      .log .data { grid-column: 1 / -1; }
    }
    """

/// The elements of the page; the script finds them by their ids.
let tryPageBody = """
    <main>
    <header>
      <h1>Clarion</h1>
      <span class="state" id="state" role="status">connecting</span>
      <span class="soft" id="detail"></span>
    </header>
    <div class="side">
      <section class="card">
        <h2>Protocol</h2>
        <div class="pair">
          <button class="quiet" id="pusher" aria-pressed="true">Pusher</button>
          <button class="quiet" id="json" aria-pressed="false">JSON</button>
        </div>
        <p class="soft note" id="address"></p>
      </section>
      <form class="card" id="subscribe">
        <h2>Subscribe</h2>
        <div class="pair">
          <label>Channel <input id="channel" value="news" autocomplete="off" spellcheck="false" required></label>
          <button>Subscribe</button>
        </div>
        <ul id="channels" aria-label="Subscribed channels"></ul>
      </form>
      <form class="card" id="publish">
        <h2>Publish</h2>
        <label>Channel <input id="target" value="news" autocomplete="off" spellcheck="false" required></label>
        <label id="event-label">Event
        <input id="event" value="client-hello" autocomplete="off" spellcheck="false"></label>
        <label>Message <textarea id="message" spellcheck="false">Hello</textarea></label>
        <div class="pair">
          <button id="send">Publish</button>
          <button id="many" class="quiet" type="button">100 times</button>
        </div>
        <p class="soft note" id="hint"></p>
      </form>
    </div>
    <section class="card">
      <div class="numbers">
        <span class="soft">messages<b id="total">0</b></span>
        <span class="soft">a second<b id="rate">0</b></span>
        <span class="soft">peak<b id="most">0</b></span>
        <svg viewBox="0 0 59 20" preserveAspectRatio="none" aria-hidden="true"><polyline id="curve" points=""/></svg>
        <button class="quiet" id="clear">Clear</button>
      </div>
      <div class="log" id="log" aria-label="Events, newest first" tabindex="0"></div>
    </section>
    </main>
    """
