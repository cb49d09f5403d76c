/// The page at `/dashboard`: what the node does, live, and a console to publish and watch. One document that loads
/// nothing else; UTF-8.
func dashboardPage() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; connect-src 'self'; img-src data:">
    <title>Clarion dashboard</title>
    <link rel="icon" href="data:,">
    <style>
    \(dashboardStyle)
    </style>
    </head>
    <body>
    \(dashboardBody)
    <script>
    \(dashboardScript)
    </script>
    </body>
    </html>

    """
}

private let dashboardStyle = """
    :root { color-scheme: light dark; --paper: #f4f6f8; --card: #fff; --ink: #17202b; --soft: #5c6875; --line: #dce2e9;
      --mark: #0b62c4; --on-mark: #fff; --good: #17864a; --bad: #c0392b; --wait: #a96a00; --track: #e6ebf1;
      --fill: rgba(11, 98, 196, 0.12); }
    @media (prefers-color-scheme: dark) { :root { --paper: #0e1318; --card: #161d25; --ink: #e5ebf1; --soft: #93a1b0;
      --line: #28323d; --mark: #5aa9ff; --on-mark: #08121d; --good: #4cc582; --bad: #ff7b6b; --wait: #e2a53c;
      --track: #222c37; --fill: rgba(90, 169, 255, 0.16); } }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, sans-serif;
      font-variant-numeric: tabular-nums; }
    main { max-width: 1240px; margin: 0 auto; padding: 18px 16px 40px; display: grid; gap: 14px;
      grid-template-columns: repeat(12, minmax(0, 1fr)); }
    header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; }
    h1 { font-size: 21px; margin: 0; letter-spacing: -0.01em; }
    h2 { font-size: 13px; margin: 0 0 8px; color: var(--soft); font-weight: 600; }
    .soft { color: var(--soft); }
    .state { margin-left: auto; display: inline-flex; gap: 6px; align-items: center; color: var(--soft); }
    .dot { width: 9px; height: 9px; border-radius: 50%; background: var(--wait); }
    .dot.good { background: var(--good); } .dot.bad { background: var(--bad); }
    .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 13px 14px;
      min-width: 0; }
    .tile { grid-column: span 3; } .half { grid-column: span 6; } .third { grid-column: span 4; } .all {
      grid-column: 1 / -1; }
    .tile b { font-size: 25px; font-weight: 650; letter-spacing: -0.02em; display: block; line-height: 1.2; }
    .tile small { color: var(--soft); }
    svg { display: block; width: 100%; height: 44px; margin-top: 8px; }
    svg path.line { fill: none; stroke: var(--mark); stroke-width: 1.6; vector-effect: non-scaling-stroke; }
    svg path.area { fill: var(--fill); stroke: none; }
    table { width: 100%; border-collapse: collapse; }
    th { text-align: left; font-weight: 500; color: var(--soft); font-size: 12px; padding: 3px 8px 5px 0; }
    td { padding: 5px 8px 5px 0; border-top: 1px solid var(--line); }
    th.n, td.n { text-align: right; }
    td.name { word-break: break-word; font: 12.5px/1.4 ui-monospace, monospace; }
    .scroll { overflow-x: auto; max-height: 330px; overflow-y: auto; }
    .bar { height: 6px; border-radius: 3px; background: var(--track); overflow: hidden; min-width: 70px; }
    .bar i { display: block; height: 100%; background: var(--mark); border-radius: 3px; }
    .none { color: var(--soft); padding: 6px 0; }
    label { display: block; font-size: 12.5px; color: var(--soft); margin-bottom: 8px; }
    input, textarea, select, button { font: inherit; border-radius: 7px; border: 1px solid var(--line); }
    input, textarea, select { width: 100%; padding: 6px 8px; margin-top: 3px; background: var(--paper);
      color: var(--ink); }
    textarea { min-height: 58px; resize: vertical; font: 12.5px/1.4 ui-monospace, monospace; }
    button { padding: 6px 12px; background: var(--mark); color: var(--on-mark); border-color: transparent;
      font-weight: 600; cursor: pointer; }
    button.quiet { background: transparent; color: var(--ink); border-color: var(--line); font-weight: 500;
      padding: 3px 9px; }
    :focus-visible { outline: 2px solid var(--mark); outline-offset: 1px; }
    .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 10px; }
    .row { display: flex; gap: 10px; align-items: center; flex-wrap: wrap; }
    #said { color: var(--soft); }
    #said.bad { color: var(--bad); }
    #log { font: 12.5px/1.45 ui-monospace, monospace; max-height: 300px; overflow: auto; margin: 10px 0 0; padding: 0;
      list-style: none; }
    #log li { border-top: 1px solid var(--line); padding: 4px 0; word-break: break-word; }
    #log span { color: var(--soft); }
    @media (max-width: 900px) { .tile { grid-column: span 6; } .half, .third { grid-column: 1 / -1; } }
    @media (max-width: 480px) { .tile { grid-column: 1 / -1; } .pair { grid-template-columns: 1fr; } }
    """

private let dashboardBody = """
    <main>
    <header><h1>Clarion</h1><span class="soft" id="facts"></span>
      <span class="state" role="status"><i class="dot" id="dot"></i><span id="state">connecting</span></span></header>
    <section class="card tile"><h2>Connections</h2><b id="connections">–</b><small id="accepted">&nbsp;</small>
      <svg id="g-connections" viewBox="0 0 120 40" preserveAspectRatio="none" aria-hidden="true"></svg></section>
    <section class="card tile"><h2>Delivered a second</h2><b id="deliveries">–</b><small id="bytes">&nbsp;</small>
      <svg id="g-deliveries" viewBox="0 0 120 40" preserveAspectRatio="none" aria-hidden="true"></svg></section>
    <section class="card tile"><h2>Published a second</h2><b id="publishes">–</b><small id="messages">&nbsp;</small>
      <svg id="g-publishes" viewBox="0 0 120 40" preserveAspectRatio="none" aria-hidden="true"></svg></section>
    <section class="card tile"><h2>Processor</h2><b id="processor">–</b><small id="memory">&nbsp;</small>
      <svg id="g-processor" viewBox="0 0 120 40" preserveAspectRatio="none" aria-hidden="true"></svg></section>
    <section class="card half"><h2>Channels</h2><div class="scroll" id="channels"></div></section>
    <section class="card half"><h2>Readers that are behind</h2><div class="scroll" id="readers"></div></section>
    <section class="card third"><h2>Workers</h2><div class="scroll" id="workers"></div></section>
    <section class="card third"><h2>Applications</h2><div class="scroll" id="apps"></div></section>
    <section class="card third"><h2>Connections that ended</h2><div class="scroll" id="closed"></div></section>
    <section class="card half"><h2>Publish</h2>
      <form id="publish">
      <div class="pair"><label>Application<select id="p-app"></select></label>
        <label>Channel<input id="p-channel" required autocomplete="off" value="test"></label></div>
      <label id="p-event-row">Event<input id="p-event" autocomplete="off" value="hello"></label>
      <label>Data<textarea id="p-data" spellcheck="false">{"from":"dashboard"}</textarea></label>
      <div class="row"><button>Publish</button><span id="said" role="status"></span></div>
      </form></section>
    <section class="card half"><h2>Watch</h2>
      <form id="watch">
      <div class="pair"><label>Application<select id="w-app"></select></label>
        <label>Channels that begin with<input id="w-prefix" autocomplete="off"></label></div>
      <div class="row"><button id="w-button">Watch</button><span class="soft" id="w-said" role="status"></span></div>
      </form><ol id="log" aria-live="polite"></ol></section>
    </main>
    """
