// Subject and yardstick in turn, A B A B, so that whatever else the machine does meets both alike.
import { Bench } from 'tinybench'

/**
 * Runs every work once per round and returns the answers of each, in the order of the rounds. A work is an async
 * function of the round's number whose answer holds `ms`, the time that it measured where the work was done. A round
 * before the first warms up and is not kept.
 */
export async function alternate(works, rounds, onRound = () => {}) {
  const answers = Object.fromEntries(Object.keys(works).map((name) => [name, []]))
  for (let round = -1; round < rounds; round++) {
    const bench = new Bench({ iterations: 1, time: 0, warmup: false, throws: true })
    for (const [name, work] of Object.entries(works)) {
      const once = async () => {
        const answer = await work(Math.max(round, 0))
        if (round >= 0) answers[name].push(answer)
        return { overriddenDuration: answer.ms }
      }
      bench.add(name, once, { async: true })
    }
    await bench.run()
    onRound(round + 1, rounds)
  }
  return answers
}
