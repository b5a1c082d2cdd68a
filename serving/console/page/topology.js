// The running applications, one at a time: topics and tasks as a picture, its tasks as a table, its parts in words.
import { at, draw, empty, h, svg } from './elements.js';
import { instant, rateText, sizeText, whole } from './formats.js';

const [LINE, PAD, GAP, WAY] = [17, 10, 18, 10];
/** Rough: letters of 13 pixels. Words are broken a little early rather than late. */
const LETTER = 7.4;
/** Below this width of a layer the layers stand below each other. */
const LAYER_MIN = 205;
/** Wider nodes are no better to read: arrows are longer then. */
const NODE_MAX = 280;
const COLUMN_MAX = 420;
const ARROW = 46;
const TASKS_SHOWN = 8;
const RAIL = 12;

const choice = { id: null };
const shown = { applications: null, width: 0 };

export function drawTopology(applications, width) {
  Object.assign(shown, { applications, width });
  if (applications === null || width === 0) return;
  const chosen = applications.find(({ id }) => id === choice.id) ?? applications[0] ?? null;
  const ids = applications.map(({ id }) => id);
  const select = at('topology-choice');
  draw(select, [ids, chosen?.id ?? null], () => {
    select.onchange = () => {
      choice.id = select.value;
      // the newest, not those that were there when this was drawn
      drawTopology(shown.applications, shown.width);
    };
    return ids.map((id) => h('option', { value: id, selected: id === chosen?.id }, id));
  });
  at('topology-chooser').hidden = chosen === null;
  at('topology-more').hidden = chosen === null;
  draw(at('topology-picture'), [chosen, width], () =>
    chosen === null
      ? [empty('No application runs on this machine yet.')]
      : [h('p', { class: 'hint' }, summary(chosen)), topologyPicture(chosen, width)],
  );
  if (chosen === null) return;
  draw(at('topology-table'), chosen.tasks, () => chosen.tasks.map(taskRow));
  draw(at('topology-words'), chosen.words, () => [chosen.words]);
}

const counted = (count, one, many) => `${whole(count)} ${count === 1 ? one : many}`;
/** Records that are known of and not processed: those that were fetched and wait too. */
const behind = ({ lag, queued }) => lag + queued;
const sum = (tasks, of) => tasks.reduce((total, task) => total + (of(task) ?? 0), 0);

function summary({ tasks, states, commits, commitMs, processed, written }) {
  const places = new Set(tasks.map((task) => task.at)).size;
  const restoring = states.filter(({ role }) => role === 'restoring');
  const left = sum(restoring, ({ position, end }) => (end === null ? 0 : Math.max(0, end - position)));
  return [
    `${counted(tasks.length, 'task', 'tasks')} in ${counted(places, 'process', 'processes')}`,
    `${whole(processed)} records processed, ${whole(written)} written`,
    commitMs === null
      ? 'no commit yet'
      : `${counted(commits, 'commit', 'commits')} of ${whole(commitMs)} ms${commits === 1 ? '' : ' each'}`,
    ...(restoring.length === 0
      ? []
      : [`${counted(restoring.length, 'state', 'states')} being restored, ${whole(left)} records to go`]),
  ].join(' · ');
}

function taskRow({ name, at: place, eventTimeMs, perSecond, lag, queued, keys, stateBytes }) {
  const cell = (words, className = null) => h('td', { class: className }, words);
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, name),
    cell(place),
    cell(eventTimeMs === null ? '–' : instant(eventTimeMs)),
    ...[rateText(perSecond), whole(lag), whole(queued), whole(keys)].map((words) => cell(words, 'number')),
    cell(stateBytes === null ? '–' : sizeText(stateBytes), 'number'),
  );
}

/** Lines of at most so many letters, broken behind dots, dashes and underscores where that is possible. */
function broken(name, letters) {
  const lines = [''];
  for (const part of name.split(/(?<=[._-])/).flatMap((word) => word.match(new RegExp(`.{1,${letters}}`, 'g')) ?? []))
    if (lines.at(-1).length + part.length <= letters) lines[lines.length - 1] += part;
    else lines.push(part);
  return lines.filter((line) => line !== '');
}

/** What stands in a node: lines of words, each with the places of its parts. */
function contentOf({ kind, name }, { subTopologies, tasks }, width) {
  const letters = Math.floor((width - 2 * PAD) / LETTER);
  const lines = (text, className) => broken(text, letters).map((words) => [{ words, className, x: PAD }]);
  if (kind === 'topic') return lines(name, '');
  const { steps, store, folds } = subTopologies.find((one) => one.name === name);
  const own = tasks.filter(({ subTopology }) => subTopology === name);
  const kept = [...(store === null ? [] : [store.name]), ...folds];
  const row = (left, middle, right, className) => [
    { words: left, className, x: PAD },
    { words: middle, className, x: width * 0.56, end: true },
    { words: right, className, x: width - PAD, end: true },
  ];
  const more = own.slice(TASKS_SHOWN);
  return [
    ...lines(name, 'node-name'),
    ...(steps.length === 0 ? [] : lines(steps.join(' '), 'soft')),
    ...kept.flatMap((one) => lines(`state ${one}`, 'soft')),
    own.length === 0 ? [{ words: 'no task here', className: 'soft', x: PAD }] : row('task', 'rate', 'lag', 'soft'),
    ...own
      .slice(0, TASKS_SHOWN)
      .map((task) => row(String(task.partition), rateText(task.perSecond), whole(behind(task)), '')),
    ...(more.length === 0
      ? []
      : [row(`+${more.length}`, rateText(sum(more, ({ perSecond }) => perSecond)), whole(sum(more, behind)), '')]),
  ];
}

function topologyPicture(application, width) {
  const { drawing, tasks, id } = application;
  const layout =
    width / drawing.layers >= LAYER_MIN ? acrossLayout(application, width) : columnLayout(application, width);
  const flowing = new Map(drawing.nodes.map((node) => [node.id, flowOf(node, tasks)]));
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${width} ${layout.height}`, role: 'img', 'aria-label': spoken(id, application) },
    ...layout.edges.map(({ edge, path, tip }) => edgeShape(edge, path, tip, flowing)),
    ...layout.boxes.map((box) => boxShape(box)),
  );
  picture.classList.add('topology', layout.name);
  return picture;
}

/** Records per second that the tasks of a node take; null: a topic, or not measured. */
function flowOf({ kind, name }, tasks) {
  return kind === 'topic'
    ? null
    : sum(
        tasks.filter(({ subTopology }) => subTopology === name),
        ({ perSecond }) => perSecond,
      );
}

function spoken(id, { subTopologies, tasks }) {
  const parts = subTopologies.map(({ name, sources, globalSources, store, folds, sinks }) => {
    const own = tasks.filter(({ subTopology }) => subTopology === name);
    const kept = [...(store === null ? [] : [store.name]), ...folds];
    return [
      `${name} reads ${[...sources, ...globalSources].join(' and ')}`,
      ...(kept.length === 0 ? [] : [`keeps ${kept.join(' and ')}`]),
      ...(sinks.length === 0 ? [] : [`writes ${sinks.join(' and ')}`]),
      `${counted(own.length, 'task', 'tasks')}, ${rateText(sum(own, ({ perSecond }) => perSecond))}, lag ${whole(sum(own, behind))}`,
    ].join(', ');
  });
  return `Topology of ${id}. ${parts.join('; ')}.`;
}

function boxShape({ node, x, y, w, height, content }) {
  return svg(
    'g',
    {},
    svg('rect', {
      class: `node ${node.kind}`,
      x,
      y,
      width: w,
      height,
      rx: node.kind === 'topic' ? (height / 2 > 17 ? 17 : height / 2) : 9,
    }),
    ...content.flatMap((line, row) =>
      line.map(({ words, className, x: left, end }) =>
        svg(
          'text',
          { class: className, x: x + left, y: y + PAD + row * LINE + 12, 'text-anchor': end ? 'end' : 'start' },
          words,
        ),
      ),
    ),
  );
}

function edgeShape({ from, to, isWhole }, path, [x, y, turn], flowing) {
  const flow = flowing.get(to) ?? flowing.get(from);
  const flows = flow > 0 ? ' flows' : '';
  return svg(
    'g',
    {},
    svg('path', { class: `arrow${flows}${isWhole ? ' whole' : ''}`, d: path }),
    svg('path', {
      class: `tip${flows}`,
      d: 'M 0 0 L -10 -5.5 V 5.5 Z',
      transform: `translate(${x} ${y}) rotate(${turn})`,
    }),
  );
}

const heightOf = (content) => content.length * LINE + 2 * PAD - 3;

/** Layers side by side, in the direction of reading. */
function acrossLayout(application, width) {
  const { drawing } = application;
  const w = Math.min(NODE_MAX, (width + ARROW) / drawing.layers - ARROW);
  const pitch = drawing.layers === 1 ? 0 : (width - w) / (drawing.layers - 1);
  const columns = Array.from({ length: drawing.layers }, () => []);
  for (const node of drawing.nodes) {
    const content = contentOf(node, application, w);
    columns[node.layer][node.place] = { node, content, height: heightOf(content) };
  }
  for (const { via } of drawing.edges) for (const { layer, place } of via) columns[layer][place] = { height: WAY };
  const tall = (column) => column.reduce((total, { height }) => total + height + GAP, -GAP);
  const inner = Math.max(...columns.map(tall));
  const back = drawing.edges.filter(({ isBack }) => isBack);
  columns.forEach((column, layer) => {
    let y = 2 + (inner - tall(column)) / 2;
    for (const item of column) {
      Object.assign(item, { x: 1 + layer * pitch, y, w: w - 2 });
      y += item.height + GAP;
    }
  });
  const boxes = columns.flat().filter(({ node }) => node !== undefined);
  const boxOf = new Map(boxes.map((box) => [box.node.id, box]));
  const middle = ({ y, height }) => y + height / 2;
  const edges = drawing.edges.map((edge) => {
    const [from, to] = [boxOf.get(edge.from), boxOf.get(edge.to)];
    if (edge.isBack) {
      const lane = inner + GAP * (1 + back.indexOf(edge));
      const [a, b] = [from.x + from.w / 2, to.x + to.w / 2];
      return {
        edge,
        path: `M ${a} ${from.y + from.height} V ${lane} H ${b} V ${to.y + to.height + 12}`,
        tip: [b, to.y + to.height + 3, -90],
      };
    }
    let path = `M ${from.x + from.w} ${middle(from)}`;
    let [x, y] = [from.x + from.w, middle(from)];
    for (const { layer, place } of edge.via) {
      const way = columns[layer][place];
      path += ` ${bend(x, y, way.x, middle(way))} H ${way.x + way.w}`;
      [x, y] = [way.x + way.w, middle(way)];
    }
    path += ` ${bend(x, y, to.x - 12, middle(to))}`;
    return { edge, path, tip: [to.x - 2, middle(to), 0] };
  });
  return { name: 'across', boxes, edges, height: inner + 4 + GAP * (back.length === 0 ? 0 : back.length + 1) };
}

const bend = (x, y, toX, toY) => `C ${(x + toX) / 2} ${y} ${(x + toX) / 2} ${toY} ${toX} ${toY}`;

/** All nodes below each other; what is not read by the next one goes along a rail at the left, one for each reader. */
function columnLayout(application, width) {
  const { drawing } = application;
  const nodes = [...drawing.nodes].sort((a, b) => a.layer - b.layer || a.place - b.place);
  const order = new Map(nodes.map(({ id }, index) => [id, index]));
  const isNext = ({ from, to }) => order.get(to) === order.get(from) + 1;
  const rails = [...new Set(drawing.edges.filter((edge) => !isNext(edge)).map(({ to }) => to))];
  const left = rails.length === 0 ? 1 : rails.length * RAIL + 16;
  const w = Math.min(COLUMN_MAX, width - left - 1);
  let y = 2;
  const boxes = nodes.map((node) => {
    const content = contentOf(node, application, w);
    const box = { node, content, x: left, y, w, height: heightOf(content) };
    y += box.height + GAP * 1.6;
    return box;
  });
  const edges = drawing.edges.map((edge) => {
    const [from, to] = [boxes[order.get(edge.from)], boxes[order.get(edge.to)]];
    if (isNext(edge)) {
      const x = left + to.w / 2;
      return { edge, path: `M ${x} ${from.y + from.height} V ${to.y - 12}`, tip: [x, to.y - 2, 90] };
    }
    const x = 4 + rails.indexOf(edge.to) * RAIL;
    const [start, end] = [from.y + from.height / 2 + 4, to.y + to.height / 2 - 4];
    return { edge, path: `M ${left} ${start} H ${x} V ${end} H ${left - 12}`, tip: [left - 2, end, 0] };
  });
  return { name: 'column', boxes, edges, height: y };
}
