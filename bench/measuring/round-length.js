const LONGEST = 8000 // milliseconds of a round, however little the server has to do
const ENOUGH = 0.2 // share of a round from which on its length can be foretold

/**
 * Runs longer and longer until it is known how many publishes make a round. So everything is compiled, too.
 * @param {(publishes: number) => Promise<{ serverCpu: number, wall: number }>} run
 * @param {number} roundCpu how long a round is, in milliseconds of server CPU
 * @param {number} burst of which the number of publishes is a multiple
 */
export async function roundLength (run, roundCpu, burst) {
  const whole = (count) => Math.max(1, Math.ceil(count / burst)) * burst
  let publishes = 4 * burst
  for (;;) {
    const { serverCpu, wall } = await run(publishes)
    const share = Math.max(serverCpu / 1e6 / roundCpu, wall / LONGEST)
    if (share > ENOUGH) return whole(publishes / share)
    publishes = whole(publishes * Math.min(10, 1.5 * ENOUGH / share))
  }
}
