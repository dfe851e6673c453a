import { channels } from './channels.js'
import { compressed } from './compressed.js'
import { fanout } from './fanout.js'
import { growth } from './growth.js'
import { latency } from './latency.js'
import { memory } from './memory.js'
import { qos1 } from './qos1.js'
import { redisOne, redisPublish } from './redis-publish.js'
import { redisQuiet } from './redis-quiet.js'
import { redisStorm } from './redis-storm.js'
import { slowReader } from './slow-reader.js'
import { storm } from './storm.js'

/**
 * What is measured. @type {Record<string, Scenario>}
 *
 * @typedef {object} Scenario
 * @property {string} name
 * @property {string} title
 * @property {string} about what is done
 * @property {(settings: import('../settings.js').Settings) => Trial[]} trials
 *
 * @typedef {object} Trial
 * @property {string} name
 * @property {string} unit of the value that counts
 * @property {import('../measuring/contest.js').ContestantOptions[]} contestants
 * @property {string} [baseline] the row that the others' ratios refer to
 * @property {{ row: string, of: string, atLeast?: number, atMost?: number }[]} targets of the ratio of two rows' medians
 * @property {string[]} [needs] peers whose programs all contestants need
 * @property {string[]} [columns] what else the table shows; see report.js
 * @property {(self: Trial, settings: import('../settings.js').Settings) => Promise<Row[]>} measure
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} peer
 * @property {number} [median] absent where it was not measured
 * @property {number} [min]
 * @property {number} [max]
 * @property {number[]} [values]
 * @property {Record<string, number>} [more]
 * @property {string[]} notes
 */
export const scenarios = { fanout, channels, qos1, compressed, latency, memory, storm, growth, 'slow-reader': slowReader, 'redis-publish': redisPublish, 'redis-one': redisOne, 'redis-quiet': redisQuiet, 'redis-storm': redisStorm }
