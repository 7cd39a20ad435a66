import { describe, expect, test } from 'vitest';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';

describe('the budget of weights', () => {
  test('is one, whoever counts', () => {
    const budget = WeightsBudget.of(100);
    const elsewhere = new WeightsBudget(budget.shared);
    budget.take(60);
    expect(elsewhere.left).toBe(40);
    expect(elsewhere.tryTake(41)).toBe(false);
    expect(elsewhere.tryTake(40)).toBe(true);
    expect(budget.left).toBe(0);
    budget.give(60);
    expect(elsewhere.left).toBe(60);
  });

  test('gets back what the copies of a run took when its seat goes, once', () => {
    const budget = WeightsBudget.of(100);
    const account = new CopyAccount(budget);
    const inWorker = new CopyAccount(new WeightsBudget(budget.shared), account.shared);
    expect(inWorker.tryTake(30)).toBe(true);
    expect(inWorker.tryTake(80)).toBe(false);
    expect(account.bytes).toBe(30);
    account.close();
    account.close();
    inWorker.give(30);
    expect(inWorker.tryTake(10)).toBe(false);
    expect([account.bytes, budget.left]).toEqual([0, 100]);
  });
});
