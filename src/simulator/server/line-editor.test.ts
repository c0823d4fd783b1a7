import { expect, it } from '@jest/globals';
import { LineEditor } from './line-editor';

function type(keys: string, echo = true) {
  const lines: string[] = [];
  const events: string[] = [];
  let screen = '';
  const terminal = {
    write: (text: string) => {
      screen += text;
    },
    line: (text: string) => void lines.push(text),
    interrupt: () => void events.push('interrupt'),
    end: () => void events.push('end'),
  };
  new LineEditor(terminal, echo).feed(keys);
  return { lines, events, screen };
}

it.each([
  ['carriage return', 'a\rb\r', ['a', 'b']],
  ['line feed', 'a\nb\n', ['a', 'b']],
  ['both', 'a\r\nb\r\n', ['a', 'b']],
  ['an empty line between', 'a\n\nb\n', ['a', '', 'b']],
  ['backspace', 'abx\x7f\x7fc\r', ['ac']],
  ['more backspaces than characters', 'a\b\b\bc\r', ['c']],
  ['Ctrl-U', 'abc\x15d\r', ['d']],
  ['Ctrl-C', 'abc\x03d\r', ['d']],
  ['arrow up', 'one\rtwo\r\x1b[A\x1b[A\r', ['one', 'two', 'one']],
  ['arrow up and down', 'one\rtwo\r\x1b[A\x1b[A\x1b[B!\r', ['one', 'two', 'two!']],
  ['keys that mean nothing', 'a\x1b[3~\x1bOC\x07b\r', ['ab']],
  ['a tab', 'a\tb\r', ['a b']],
])('%s', (_fact, keys, lines) => expect(type(keys).lines).toEqual(lines));

it('Ctrl-D ends an empty line only', () => {
  expect(type('a\x04').events).toEqual([]);
  expect(type('a\r\x04').events).toEqual(['end']);
});

it('echoes on a terminal alone', () => {
  expect(type('ab\x7f\r').screen).toBe('ab\b \b\r\n');
  expect(type('ab\x7f\r', false).screen).toBe('');
});
