/** Building the page. Text only ever becomes a text node: no string is interpreted as markup. */

export const byId = (id) => document.getElementById(id)

/** An element with properties and children; a string child is text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** A token as it can be read: white space at its ends matters. */
export const quoted = (text) => JSON.stringify(text)
